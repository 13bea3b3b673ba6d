/// The unit of work that the engine gives to handlers.
#pragma once

#include "engine/commit/event_maker.hpp"
#include "handler/unit_of_work.hpp"
#include "postgres/unit.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace omnibus::engine {

/// Joins a PostgreSQL transaction with the events that are created in it. Lives until that transaction ends, on a
/// thread of the pool.
class HandlerUnit final : public UnitOfWork {
 public:
  /// With `suppressed` nothing is published; the publications are counted there.
  HandlerUnit(postgres::OpenUnit& unit, EventMaker events, std::uint64_t* suppressed = nullptr)
      : unit_{unit}, events_{std::move(events)}, suppressed_{suppressed} {}

  pqxx::transaction_base& transaction() override { return unit_.transaction(); }
  Uuid last_key() const override { return events_.last_key(); }

 private:
  void publish_event(std::string_view type, std::string data, std::string key) override {
    auto record = events_.make(type, data, std::move(key));
    if (suppressed_ != nullptr)
      ++*suppressed_;
    else
      unit_.publish(std::move(record));
  }
  postgres::Gathered& gathered() override { return unit_.gathered(); }

  postgres::OpenUnit& unit_;
  EventMaker events_;
  std::uint64_t* suppressed_;
};

}  // namespace omnibus::engine
