/// What a handler knows of the event it handles, and how its work takes effect.
#pragma once

#include "concurrency/task.hpp"
#include "engine/dispatch/delivery.hpp"
#include "engine/failure.hpp"
#include "engine/unit_of_work.hpp"
#include "kafka/cloud_event.hpp"
#include "observability/log.hpp"
#include "postgres/pool.hpp"
#include "uuid/uuid.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace pqxx {
class transaction_base;
}

namespace omnibus::engine {

class Engine;

/// One attempt at one event. Lives as long as the attempt; belongs to the event loop. What it returns by reference or
/// view lives as long as it does.
class Context {
 public:
  Context(Engine& engine, Delivery& delivery) : engine_{engine}, delivery_{delivery} {}
  Context(Context const&) = delete;
  Context& operator=(Context const&) = delete;

  /// Who sent what, when and why. @throws Failure (permanent) when the record is no CloudEvent.
  EnvelopeView const& event();
  /// The event's data as it came. @throws as event().
  std::string_view data();
  /// The same for every delivery of this event, whoever publishes it. @throws as event().
  Uuid const& event_key();
  /// The record's key, whatever its producer chose; empty when it has none.
  std::string_view key() const { return delivery_.has_key() ? delivery_.key() : std::string_view{}; }
  /// The record's value, unread; of an event in binary mode the same as data(). Empty when it has none.
  std::string_view value() const { return delivery_.has_value() ? delivery_.value() : std::string_view{}; }
  std::string_view topic() const;
  /// 1 for the first attempt, and again after a deferral.
  std::uint32_t attempt() const { return delivery_.attempts + 1; }
  /// When the record was written, in ms since 1970; -1 when the broker does not say.
  std::int64_t timestamp_ms() const;
  /// When the event happened, by its own `time`, which is its producer's word for it; where it tells none,
  /// timestamp_ms(). @throws as event().
  std::int64_t time_ms();
  /// How long ago the first attempt failed; zero before any has.
  std::chrono::milliseconds failing_for() const;
  std::string_view worker() const;
  /// Whether the event is handled again, to re-compute what is kept. Then nothing is published, whatever the handler
  /// does, and it must ask nothing of the outside that is paid for or reaches people.
  bool replaying() const;
  /// Notes in a replay that the event is left without effect, and why: a short constant text. For the handler to call
  /// at most once, and then return.
  void pass_over(std::string_view reason);

  /// Runs `work(UnitOfWork&)` on the pool and commits it with the event's inbox row and the outbox rows, which are
  /// published right after. For an event that was handled before, nothing is written. Call it once, as the last thing
  /// that matters. Under load events share a transaction; `work` runs again where that one was rolled back, so that it
  /// must leave outside of it only what a second run puts right.
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
    publish_now(Event::type, json::encode(event), std::move(key), series, ordinal);
  }

  /// Whether it is worth while to go on trying: false once the partition is being given up.
  bool still_wanted() const;

  /// Parks the event with its reason, together with its inbox row. The engine calls this.
  Task<> dead_letter(Failure const& failure);

  /// For log lines about this event. Never throws.
  log::EventFields log_fields();

 private:
  Task<bool> commit_unit(std::function<void(UnitOfWork&)> work);
  Task<bool> commit_step(std::string step, std::function<void(UnitOfWork&)> work);
  Task<bool> write(Uuid id, std::string series, std::function<void(UnitOfWork&)> work);
  Task<postgres::CommitResult> run(Uuid event_id, std::function<void(postgres::OpenUnit&)> work);
  void publish_now(std::string_view type, std::string_view data, std::string key, std::string_view series, int ordinal);
  void parse();
  Envelope const& envelope();
  postgres::TransactionPool& pool();
  Uuid fallback_key() const;

  Engine& engine_;
  Delivery& delivery_;
  // Elsewhere, for they are large and few need them: many attempts may be under way.
  std::unique_ptr<CloudEvent> structured_;  // only of an event in structured mode
  std::optional<EnvelopeView> view_;
  std::unique_ptr<Envelope> envelope_;  // made only when events are derived from this one
  std::string_view data_;
  std::optional<Uuid> event_key_;
  std::string trace_id_;
};

}  // namespace omnibus::engine
