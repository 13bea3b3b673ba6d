/// What a handler writes and publishes in one transaction.
#pragma once

#include "json/encode.hpp"
#include "kafka/cloud_event.hpp"
#include "postgres/unit.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace omnibus::engine {

/// Makes the events that handling one event causes. Their ids depend on that event, the worker and the order in which
/// they are made, so that a second attempt makes the same ones.
class EventMaker {
 public:
  /// `series` tells apart what is numbered independently, such as the parts of a stream.
  EventMaker(Envelope const& parent, std::string_view worker, std::string_view series = {})
      : parent_{parent}, worker_{series.empty() ? worker : std::string{worker} + '/' + std::string{series}} {}

  /// @throws Failure (permanent) when no topic carries this type, or when the record exceeds its topic's limit.
  kafka::Record make(std::string_view type, std::string_view data, std::string key);
  /// What the inboxes of its readers know the one made last by.
  Uuid last_key() const;
  /// Numbers the next one.
  void number(int ordinal) { ordinal_ = ordinal; }

 private:
  Envelope const& parent_;
  std::string worker_;
  int ordinal_ = 0;
};

/// An open transaction as a handler sees it: everything in it is committed together with the event's inbox row, or not
/// at all. Lives until the transaction ends, on a thread of the pool.
class UnitOfWork {
 public:
  /// With `suppressed` nothing is published, only counted there.
  UnitOfWork(postgres::OpenUnit& unit, EventMaker events, std::uint64_t* suppressed = nullptr)
      : unit_{unit}, events_{std::move(events)}, suppressed_{suppressed} {}

  /// For SQL. Never commit or abort it.
  pqxx::transaction_base& transaction() { return unit_.transaction(); }

  /// Publishes an event to its topic under `key` once this unit is committed, and only then.
  template <class Event>
  void publish(Event const& event, std::string key) {
    publish(events_.make(Event::type, json::encode(event), std::move(key)));
  }

  /// Has `item` written by `Write` in one statement with those of other events that share the transaction, when all of
  /// them have done their work; then `then` is called with what came of it, and may publish. See postgres::Gathered.
  template <auto Write, class Item, class Then>
  void write_together(Item item, Then then) {
    unit_.gathered().add<Write>(std::move(item), std::move(then));
  }

  /// What the inboxes of its readers will know the event published last by.
  Uuid last_key() const { return events_.last_key(); }

 private:
  void publish(kafka::Record record);

  postgres::OpenUnit& unit_;
  EventMaker events_;
  std::uint64_t* suppressed_;
};

}  // namespace omnibus::engine
