/// A Context for tests of handlers, without broker, engine and database.
#pragma once

#include "handler/handler.hpp"
#include "json/decode.hpp"
#include "json/encode.hpp"
#include "kafka/cloud_event.hpp"

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>

namespace omnibus {

/// Treats a handler as the engine does, one event at a time: hands it an event, commits or makes the commit fail,
/// delivers the event again, parks it after the last attempt, and returns the published events. It remembers handled
/// events, as the inbox does. It has no SQL: a handler reaches its tables through a store, and a test passes a store
/// in memory, registered with keep_consistent() so that a failed commit leaves no trace. Use it from one thread.
class FakeContext final : public Context {
 public:
  /// The outcome of an attempt.
  struct Result {
    enum class Kind {
      handled,
      waits,     ///< a transient failure: it is retried, and an attempt is counted
      deferred,  ///< it is retried, and no attempt is counted
      outage,    ///< the worker pauses until the outage ends
      fenced,    ///< another worker has the partition
      parked,    ///< a dead letter
      failed     ///< in a replay: counted, and not parked
    };
    Kind kind = Kind::handled;
    std::string reason = {};                                    ///< of the failure
    std::string error_class = {};                               ///< of the failure
    std::optional<std::chrono::milliseconds> retry_after = {};  ///< the wait that the handler asks for
    std::optional<std::chrono::milliseconds> at_most = {};      ///< the longest wait that it allows

    bool operator==(Kind other) const { return kind == other; }
  };
  using Kind = Result::Kind;

  /// @param worker its name; @param max_attempts failed attempts after which an event is parked.
  explicit FakeContext(std::string worker = "test", std::uint32_t max_attempts = 8);
  ~FakeContext() override;

  /// Hands the handler a new event, once. The event gets a new id.
  /// @throws std::logic_error for a mistake in the test, such as SQL without a database, and so do the others.
  template <class H, class Event>
  Result hand(H& handler, Event const& event) {
    receive(Event::type, json::encode(event));
    attempt_at_it_ = [this, &handler] { return start<Event>(handler); };
    if constexpr (HearsOfGivingUp<H, Event>) {
      hook_ = [this, &handler](Failure const& failure, UnitOfWork& unit) {
        handler.gave_up(*this, decode<Event>(*this), failure, unit);
      };
    } else {
      hook_ = {};
    }
    return attempt_now();
  }
  /// Delivers the event again, as after a crash or from a second producer, as the first attempt.
  Result come_again();
  /// An operator redrives the event after it was parked: it is handled as if it had never been.
  Result redrive();
  /// The next attempt, as the engine makes it, `later` than the last one.
  Result try_again(std::chrono::milliseconds later = std::chrono::seconds{1});
  /// Lets time pass, as when a model takes long: call it while the handler waits for one.
  void pass_time(std::chrono::milliseconds time) { now_ += time; }
  /// Retries after each interval `every`, until the event is handled, parked or fenced.
  Result try_until_over(std::chrono::milliseconds every = std::chrono::seconds{1});

  /// Makes the next commit fail with this exception after its work has run: nothing of it takes effect.
  template <class Error>
  void fail_next_commit(Error error) {
    next_commit_ = std::make_exception_ptr(std::move(error));
  }
  /// The same for the next checkpoint.
  template <class Error>
  void fail_next_checkpoint(Error error) {
    next_checkpoint_ = std::make_exception_ptr(std::move(error));
  }
  /// Restores `state` when a commit fails. It is copied for each commit, and must outlive this object.
  template <class State>
  void keep_consistent(State& state) {
    snapshots_.push_back([&state] { return [&state, before = state] { state = before; }; });
  }
  /// From now on, handles events as in a replay.
  void replay() {
    replaying_ = true;
    inbox_.clear();  // a replay has its own
  }
  /// When the following events happen and are written, in ms since 1970.
  void set_time_ms(std::int64_t ms) { time_ms_ = ms; }

  /// The events of one type that were committed and published, in order.
  template <class Event>
  std::vector<Event> published() const {
    return of_type<Event>(published_);
  }
  /// The same for events that were published at once, outside any transaction.
  template <class Event>
  std::vector<Event> published_now() const {
    return of_type<Event>(published_now_);
  }
  /// The types of all events that were committed and published, in order.
  std::vector<std::string> published_types() const;
  /// The key of the event that was published last.
  std::string last_published_key() const { return published_.empty() ? std::string{} : published_.back().key; }
  /// Why the event was parked, if it was.
  std::optional<Failure> const& parked() const { return parked_; }
  /// Why a replay left the event without effect; else empty.
  std::string const& passed_over() const { return passed_over_; }
  /// Whether the handler has given its place in flight back, and how often it did.
  bool aside() const { return aside_; }
  std::size_t asides() const { return asides_; }
  /// What the handler said last that it holds.
  std::size_t working_bytes() const { return working_bytes_; }
  /// Commits that took effect, checkpoints included.
  std::size_t commits() const { return commits_; }
  /// The event loop of the handler's timers and clients.
  boost::asio::io_context& loop() { return loop_; }

  EnvelopeView const& event() override { return view_; }
  std::string_view data() override { return data_; }
  Uuid const& event_key() override { return event_key_; }
  std::string_view key() const override { return {}; }
  std::string_view value() const override { return data_; }
  std::string_view topic() const override;
  std::uint32_t attempt() const override { return attempts_ + 1; }
  bool deferred() const override { return deferred_; }
  std::int64_t timestamp_ms() const override { return time_ms_; }
  void work_in(std::size_t bytes) override { working_bytes_ = bytes; }
  void step_aside() override {
    aside_ = true;
    ++asides_;
  }
  void step_back() override { aside_ = false; }
  std::chrono::milliseconds failing_for() const override { return failed_ ? now_ - *failed_ : now_ - now_; }
  std::chrono::milliseconds waiting_for() const override { return now_ - begun_; }
  std::string_view worker() const override { return worker_; }
  bool replaying() const override { return replaying_; }
  void pass_over(std::string_view reason) override {
    if (replaying_) passed_over_ = reason;
  }
  bool still_wanted() const override { return true; }
  log::EventFields log_fields() override { return {}; }

 private:
  class Unit;
  struct Record {
    std::string type;
    std::string data;
    std::string key;
  };

  template <class Event, class H>
  Task<> start(H& handler) {
    auto const event = decode<Event>(*this);
    decoded_ = true;
    if constexpr (HandlesAtOnce<H, Event>) {
      handler.handle(*this, event);
      co_return;
    } else {
      auto handling = handler.handle(*this, event);
      co_await std::move(handling);
    }
  }

  template <class Event>
  std::vector<Event> of_type(std::vector<Record> const& records) const {
    std::vector<Event> events;
    for (auto const& record : records)
      if (record.type == Event::type) events.push_back(json::decode<Event>(record.data).value());
    return events;
  }

  void receive(std::string_view type, std::string data);
  Result attempt_now();
  Result settle(std::exception_ptr const& error);
  Result park(Failure const& failure);
  bool write(Uuid const& id, std::string const& series, std::function<void(UnitOfWork&)> const& work,
             std::exception_ptr failed = nullptr);
  /// The same with a step of the event, if it is named; `work` gets the event's unit and the step's.
  bool write(Uuid const& id, std::string const& series, std::string const& step,
             std::function<void(UnitOfWork&, UnitOfWork&)> const& work, std::exception_ptr failed);

  Task<bool> commit_unit(std::function<void(UnitOfWork&)> work) override;
  Task<bool> commit_step(std::string step, std::function<void(UnitOfWork&)> work) override;
  Task<bool> keep_step(std::string step, std::function<void(UnitOfWork&)> work) override;
  Task<bool> commit_unit_with_step(std::string step, std::function<void(UnitOfWork&)> alone,
                                   std::function<void(UnitOfWork&, UnitOfWork&)> together) override;
  postgres::TransactionPool& pool() override;
  postgres::GatheredReads& reads() override;
  void publish_event_now(std::string_view type, std::string data, std::string key, std::string_view series,
                         int ordinal) override;

  std::string const worker_;
  std::uint32_t const max_attempts_;
  boost::asio::io_context loop_;
  Envelope envelope_;
  EnvelopeView view_;
  std::string data_;
  Uuid event_key_{};
  std::int64_t time_ms_ = 1'763'640'000'000;
  std::function<Task<>()> attempt_at_it_;
  std::function<void(Failure const&, UnitOfWork&)> hook_;
  bool decoded_ = false;
  std::uint32_t attempts_ = 0;
  bool deferred_ = false;
  std::chrono::milliseconds now_{0};
  std::chrono::milliseconds begun_{0};
  std::optional<std::chrono::milliseconds> failed_;
  std::exception_ptr next_commit_;  ///< the exception it fails with
  std::exception_ptr next_checkpoint_;
  std::vector<std::function<std::function<void()>()>> snapshots_;
  std::set<Uuid> inbox_;
  std::vector<Record> published_;
  std::vector<Record> published_now_;
  std::optional<Failure> parked_;
  std::string passed_over_;
  std::size_t asides_ = 0;
  std::size_t working_bytes_ = 0;
  bool aside_ = false;
  std::size_t commits_ = 0;
  bool replaying_ = false;
};

}  // namespace omnibus
