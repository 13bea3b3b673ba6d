/// A worker's handler in an engine, for events that it gives up.
#pragma once

#include "engine/handler_work.hpp"
#include "json/encode.hpp"
#include "kafka/cloud_event.hpp"
#include "tests/common/engine/database_engine.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <doctest/doctest.h>

namespace omnibus::engine::test {

/// Owns a handler together with the adapter that decodes for it.
template <class H>
class HandlerOwner final : public Work {
 public:
  explicit HandlerOwner(std::unique_ptr<H> handler) : handler_{std::move(handler)}, adapter_{*handler_} {}
  Task<> handle(Context& context) override { return adapter_.handle(context); }
  std::function<void(UnitOfWork&)> giving_up(Context& context, Failure const& failure) override {
    return adapter_.giving_up(context, failure);
  }

 private:
  std::unique_ptr<H> handler_;
  HandlerWork<H> adapter_;
};

/// Runs a handler against a migrated database as its worker's role.
template <class H>
class ParkingEngine {
 public:
  ParkingEngine(std::string topic, std::function<std::unique_ptr<H>()> const& make)
      : topic_{std::move(topic)},
        engine_{broker_, database.url_as(H::name), topic_, "parking-" + to_string(random_uuid()),
                [&make](boost::asio::io_context&) { return std::make_unique<HandlerOwner<H>>(make()); }} {}

  /// Publishes an event and waits until it is parked.
  template <class Event>
  void park(Event const& event) {
    auto const envelope = originate("/test", Event::type);
    event_ = to_string(event_key(envelope));
    record_ = to_binary_record(envelope, json::encode(event), topic_, "any key");
    park_again();
  }
  /// Has the worker forget the event and publishes it once more, as `omnibus dlq redrive` does; waits as park().
  void redrive() {
    database.execute("DELETE FROM pipeline.inbox WHERE event_id = '" + event_ + "'");
    park_again();
  }

  EffectDatabase database;

 private:
  void park_again() {
    auto const parked = engine_.counters().dead_lettered.load();
    REQUIRE(publish(broker_, {record_}));
    REQUIRE(eventually([&] { return engine_.counters().dead_lettered > parked; }));
    REQUIRE(database.number("SELECT count(*) FROM pipeline.inbox WHERE event_id = '" + event_ + "'") == 1);
  }

  Broker broker_;
  std::string const topic_;
  std::string event_;
  kafka::Record record_;
  DatabaseEngine engine_;
};

}  // namespace omnibus::engine::test
