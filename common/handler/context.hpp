/// What a handler knows of the event it handles, and how its work takes effect.
#pragma once

#include "concurrency/task.hpp"
#include "handler/unit_of_work.hpp"
#include "json/encode.hpp"
#include "kafka/cloud_event.hpp"
#include "observability/log.hpp"
#include "postgres/pool.hpp"
#include "uuid/uuid.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace omnibus {

/// One attempt at one event. Lives as long as the attempt; belongs to the event loop. What it returns by reference or
/// view lives as long as it does. The engine implements it; FakeContext does so for tests of handlers.
class Context {
 public:
  Context() = default;
  Context(Context const&) = delete;
  Context& operator=(Context const&) = delete;
  virtual ~Context() = default;

  /// Who sent what, when and why. @throws Failure (permanent) when the record is no CloudEvent.
  virtual EnvelopeView const& event() = 0;
  /// The event's data as it came. @throws as event().
  virtual std::string_view data() = 0;
  /// The same for every delivery of this event, whoever publishes it. @throws as event().
  virtual Uuid const& event_key() = 0;
  /// The record's key, whatever its producer chose; empty when it has none.
  virtual std::string_view key() const = 0;
  /// The record's value, unread; of an event in binary mode the same as data(). Empty when it has none.
  virtual std::string_view value() const = 0;
  virtual std::string_view topic() const = 0;
  /// 1 for the first attempt, and again after a deferral.
  virtual std::uint32_t attempt() const = 0;
  /// When the record was written, in ms since 1970; -1 when the broker does not say.
  virtual std::int64_t timestamp_ms() const = 0;
  /// When the event happened, by its own `time`, which is its producer's word for it; without one, timestamp_ms().
  /// @throws as event().
  std::int64_t time_ms();
  /// How long ago the first attempt failed; zero before any has.
  virtual std::chrono::milliseconds failing_for() const = 0;
  /// The name of the worker that handles it.
  virtual std::string_view worker() const = 0;
  /// Whether the event is handled again, to re-compute what is kept. Then nothing is published, whatever the handler
  /// does, and it must ask nothing of the outside that is paid for or reaches people.
  virtual bool replaying() const = 0;
  /// Notes in a replay that the event is left without effect, and why: a short constant text. For the handler to call
  /// at most once, and then return.
  virtual void pass_over(std::string_view reason) = 0;
  /// Whether it is worth while to go on trying: false once the partition is being given up.
  virtual bool still_wanted() const = 0;
  /// For log lines about this event. Never throws.
  virtual log::EventFields log_fields() = 0;

  /// Runs `work(UnitOfWork&)` on the pool and commits it with the event's inbox row and the outbox rows, which are
  /// published right after. For an event that was handled before, nothing is written. Call it once, as the last thing
  /// that matters. Under load events share a transaction; `work` runs again if that is rolled back, so that it must
  /// leave outside of it only what a second run puts right.
  /// @return false when the event was handled before.
  /// @throws Fenced when the partition has another owner; else what `work` or the database threw.
  template <class Work>
  Task<bool> commit(Work work) {
    return commit_unit(std::function<void(UnitOfWork&)>{std::move(work)});
  }

  /// The same for a step on the way, such as an answer that was paid for: committed at once, and once per event and
  /// `step`, whatever becomes of the rest. @return false when an earlier attempt had done it.
  template <class Work>
  Task<bool> checkpoint(std::string step, Work work) {
    return commit_step(std::move(step), std::function<void(UnitOfWork&)>{std::move(work)});
  }

  /// Runs `query(pqxx::connection&)` on the pool and returns what it returns. For reading: nothing protects what it
  /// writes.
  template <class Query>
  Task<std::invoke_result_t<Query&, pqxx::connection&>> read(Query query) {
    return pool().run(std::move(query));
  }

  /// Publishes at once, outside any transaction: for what may be lost or come twice, such as the parts of a stream.
  /// The `ordinal`th of its `series` has the same id in every attempt.
  template <class Event>
  void publish_now(Event const& event, std::string key, std::string_view series, int ordinal) {
    publish_event_now(Event::type, json::encode(event), std::move(key), series, ordinal);
  }

 private:
  virtual Task<bool> commit_unit(std::function<void(UnitOfWork&)> work) = 0;
  virtual Task<bool> commit_step(std::string step, std::function<void(UnitOfWork&)> work) = 0;
  /// @throws Failure (outage) in a worker without a database.
  virtual postgres::TransactionPool& pool() = 0;
  virtual void publish_event_now(std::string_view type, std::string data, std::string key, std::string_view series,
                                 int ordinal) = 0;
};

}  // namespace omnibus
