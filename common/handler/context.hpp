/// The event that a handler handles, and the operations that commit its work.
#pragma once

#include "concurrency/task.hpp"
#include "handler/unit_of_work.hpp"
#include "json/encode.hpp"
#include "kafka/cloud_event.hpp"
#include "observability/log.hpp"
#include "postgres/gathered_reads.hpp"
#include "postgres/pool.hpp"
#include "subjects/subjects.hpp"
#include "uuid/uuid.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace omnibus {

/// One attempt at one event. Lives as long as the attempt; use it on the event loop only. A function that commit() or
/// checkpoint() runs, and gave_up(), are on a thread of the pool while the event loop waits for them: they may read the
/// event (event(), event_key(), time_ms() and the like), and nothing else. Returned references and views are valid as
/// long as it lives. The engine implements it; FakeContext implements it for tests of handlers.
class Context {
 public:
  Context() = default;
  Context(Context const&) = delete;
  Context& operator=(Context const&) = delete;
  virtual ~Context() = default;

  /// The event's envelope. @throws Failure (permanent) when the record is not a CloudEvent.
  virtual EnvelopeView const& event() = 0;
  /// The event's data as received; of a sealed event, opened. @throws as event(), and what opening throws.
  virtual std::string_view data() = 0;
  /// The same for every delivery of this event, from any publisher. @throws as event().
  virtual Uuid const& event_key() = 0;
  /// The record's key, as its producer set it; empty when it has none.
  virtual std::string_view key() const = 0;
  /// The record's raw value; in binary mode the same as data(), or sealed. Empty when it has none.
  virtual std::string_view value() const = 0;
  virtual std::string_view topic() const = 0;
  /// 1 for the first attempt. A deferral does not increase it.
  virtual std::uint32_t attempt() const = 0;
  /// Whether the attempt before this one ended in a deferral.
  virtual bool deferred() const = 0;
  /// When the record was written, in ms since 1970; -1 when the broker does not say.
  virtual std::int64_t timestamp_ms() const = 0;
  /// When the event happened, from its attribute `time`, which the producer sets; without it, timestamp_ms().
  /// @throws as event().
  std::int64_t time_ms();
  /// How long ago the first attempt failed; zero before that.
  virtual std::chrono::milliseconds failing_for() const = 0;
  /// How long ago the event arrived in this process: it may have waited for others of its key.
  virtual std::chrono::milliseconds waiting_for() const = 0;
  /// The name of the worker that handles the event.
  virtual std::string_view worker() const = 0;
  /// True in a replay, which handles the event again to recompute stored rows. Then nothing is published, and the
  /// handler must not call anything outside that costs money or reaches people.
  virtual bool replaying() const = 0;
  /// Records in a replay that the event has no effect, and why: a short constant text. The handler calls it at most
  /// once and then returns.
  virtual void pass_over(std::string_view reason) = 0;
  /// False once the partition is being given up: then stop trying.
  virtual bool still_wanted() const = 0;
  /// For log lines about this event. Never throws.
  virtual log::EventFields log_fields() = 0;

  /// Says how many bytes the handler holds for the event beside its record until it ends or says otherwise, such as a
  /// prompt and the answer to it. While a tenant has much of MAX_WORKING_BYTES, no more of its events start.
  virtual void work_in(std::size_t /*bytes*/) {}

  /// Gives the event's place in flight back while the handler waits for its turn at something outside, so that another
  /// event starts meanwhile. Its place on its route stays taken, which bounds how many wait so. Before the handler goes
  /// on, it steps back.
  virtual void step_aside() {}
  virtual void step_back() {}

  /// Whether the engine wants to know whom the event is about. decode() asks, and tells it with is_about().
  virtual bool is_guarded() const { return false; }
  /// @throws to end this attempt when the event may be about somebody who was erased.
  virtual void is_about(Subjects) {}

  /// Runs `work(UnitOfWork&)` on the pool and commits it with the event's inbox row and the outbox rows, which are
  /// published right after. For an event that was handled before, nothing is written. Call it once, as the last step.
  /// Under load, events share a transaction. If it is rolled back, `work` runs again. So `work` may change state
  /// outside the transaction only in a way that a second run corrects.
  /// @return false when the event was handled before.
  /// @throws Fenced when the partition has another owner; else what `work` or the database threw.
  template <class Work>
  Task<bool> commit(Work work) {
    return commit_unit(std::function<void(UnitOfWork&)>{std::move(work)});
  }

  /// Commits an intermediate step at once, such as an answer that was paid for. It happens once per event and `step`,
  /// even if the event fails later. @return false when an earlier attempt had done it.
  template <class Work>
  Task<bool> checkpoint(std::string step, Work work) {
    return commit_step(std::move(step), std::function<void(UnitOfWork&)>{std::move(work)});
  }

  /// As checkpoint(), for something that was paid for. If the partition has another owner by now, it is committed all
  /// the same, for that owner to find, before Fenced is thrown.
  template <class Work>
  Task<bool> keep(std::string step, Work work) {
    return keep_step(std::move(step), std::function<void(UnitOfWork&)>{std::move(work)});
  }

  /// Commits `together(UnitOfWork& step, UnitOfWork& unit)` as commit() does, with an intermediate step in the same
  /// transaction: what `step` publishes has the ids that a checkpoint of this name would give it. If nothing is
  /// committed, `alone(UnitOfWork& step)` is committed as keep() does before the failure is passed on, so that what
  /// was paid for is kept. An event whose checkpoint was committed takes commit() at its next attempt.
  /// @return and @throws as commit()
  template <class Alone, class Together>
  Task<bool> commit_with_step(std::string step, Alone alone, Together together) {
    return commit_unit_with_step(std::move(step), std::function<void(UnitOfWork&)>{std::move(alone)},
                                 std::function<void(UnitOfWork&, UnitOfWork&)>{std::move(together)});
  }

  /// Reads `item` together with what other events read at the same time. See postgres::GatheredReads. Only for reading.
  template <auto Read, class Item>
  auto read_together(Item item) {
    return reads().template read<Read>(std::move(item), submitter());
  }

  /// Writes `item` at once, together with what other events write at the same time, and without an inbox row: for rows
  /// that are the same whoever writes them and however often, such as that work has begun.
  template <auto Write, class Item>
  auto note_together(Item item) {
    return reads().template read<Write>(std::move(item), submitter());
  }

  /// Runs `query(pqxx::connection&)` on the pool and returns its result. Only for reading: writes are not protected
  /// against repetition.
  template <class Query>
  Task<std::invoke_result_t<Query&, pqxx::connection&>> read(Query query) {
    return pool().run(std::move(query));
  }

  /// Publishes at once, outside any transaction. Only for events that may be lost or repeated, such as parts of a
  /// stream. The `ordinal`th event of its `series` has the same id in every attempt.
  template <class Event>
  void publish_now(Event const& event, std::string key, std::string_view series, int ordinal) {
    publish_event_now(Event::type, json::encode(event), std::move(key), series, ordinal);
  }

 private:
  virtual Task<bool> commit_unit(std::function<void(UnitOfWork&)> work) = 0;
  virtual Task<bool> commit_step(std::string step, std::function<void(UnitOfWork&)> work) = 0;
  virtual Task<bool> keep_step(std::string step, std::function<void(UnitOfWork&)> work) = 0;
  virtual Task<bool> commit_unit_with_step(std::string step, std::function<void(UnitOfWork&)> alone,
                                           std::function<void(UnitOfWork&, UnitOfWork&)> together) = 0;
  /// @throws Failure (outage) in a worker without a database.
  virtual postgres::TransactionPool& pool() = 0;
  /// @throws as pool().
  virtual postgres::GatheredReads& reads() = 0;
  /// A number for the tenant, so that its reads delay no other's; 0 for none.
  virtual std::uint64_t submitter() const { return 0; }
  virtual void publish_event_now(std::string_view type, std::string data, std::string key, std::string_view series,
                                 int ordinal) = 0;
};

}  // namespace omnibus
