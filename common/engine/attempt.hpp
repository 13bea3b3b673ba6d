/// The context that the engine gives to handlers.
#pragma once

#include "concurrency/task.hpp"
#include "engine/commit/event_maker.hpp"
#include "engine/dispatch/delivery.hpp"
#include "handler/context.hpp"
#include "handler/failure.hpp"
#include "kafka/cloud_event.hpp"
#include "postgres/unit.hpp"
#include "sealing/sealer.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace omnibus::engine {

class Engine;

/// One attempt at one delivery. Lives as long as the attempt; use it on the event loop only.
class Attempt final : public Context {
 public:
  /// @param guarded whether to ask for whom the event is about
  Attempt(Engine& engine, Delivery& delivery, bool guarded);

  EnvelopeView const& event() override;
  std::string_view data() override;
  Uuid const& event_key() override;
  std::string_view key() const override { return delivery_.has_key() ? delivery_.key() : std::string_view{}; }
  std::string_view value() const override { return delivery_.has_value() ? delivery_.value() : std::string_view{}; }
  std::string_view topic() const override;
  std::uint32_t attempt() const override { return delivery_.attempts + 1; }
  bool deferred() const override { return delivery_.deferrals > 0; }
  std::int64_t timestamp_ms() const override;
  std::chrono::milliseconds failing_for() const override;
  std::chrono::milliseconds waiting_for() const override;
  std::string_view worker() const override;
  bool replaying() const override;
  void pass_over(std::string_view reason) override;
  bool still_wanted() const override;
  log::EventFields log_fields() override;
  void work_in(std::size_t bytes) override;
  void step_aside() override;
  void step_back() override;
  bool is_guarded() const override { return guarded_; }
  void is_about(Subjects subjects) override;

  /// Parks the event as a dead letter with its reason, together with its inbox row and the rows and events of `also`.
  /// `also` may be empty, and is not called in an engine without a database. @throws Erased when nothing may be written
  /// about its people any more; so do commit() and checkpoint().
  Task<> dead_letter(Failure const& failure, std::function<void(UnitOfWork&)> also);
  /// Asks the database whether to refuse the event because of whom it is about, and leaves its inbox row if so.
  /// @throws Failure (deferred) while the erasure runs.
  Task<bool> refuse();
  /// Leaves the inbox row of an event that nobody can open any more.
  Task<> skip();
  /// Whom the event is about, and its first position.
  postgres::About about() const;

 private:
  Task<bool> commit_unit(std::function<void(UnitOfWork&)> work) override;
  Task<bool> commit_step(std::string step, std::function<void(UnitOfWork&)> work) override;
  Task<bool> keep_step(std::string step, std::function<void(UnitOfWork&)> work) override;
  Task<bool> commit_unit_with_step(std::string step, std::function<void(UnitOfWork&)> alone,
                                   std::function<void(UnitOfWork&, UnitOfWork&)> together) override;
  postgres::TransactionPool& pool() override;
  postgres::GatheredReads& reads() override;
  std::uint64_t submitter() const override { return delivery_.tenant; }
  void publish_event_now(std::string_view type, std::string data, std::string key, std::string_view series,
                         int ordinal) override;

  /// @param step of the event, written in the same transaction, or empty; `work` gets the event's unit and the step's
  Task<bool> write(Uuid id, std::string series, std::string step, std::function<void(UnitOfWork&, UnitOfWork&)> work);
  Task<postgres::CommitResult> run(Uuid event_id, std::function<void(postgres::OpenUnit&)> work);
  /// For the events that this one causes. Without a transaction, only keys in memory are used.
  SealEvent sealing(pqxx::transaction_base* transaction);
  /// The event's tenant; empty when it does not say.
  std::string domain();
  void parse();
  Envelope const& envelope();
  Uuid fallback_key() const;

  Engine& engine_;
  Delivery& delivery_;
  bool const guarded_;
  std::optional<Subjects> subjects_;  // known once the event is decoded
  // Separately allocated: they are large and rarely needed, and many attempts may be under way.
  std::unique_ptr<CloudEvent> structured_;  // only of an event in structured mode
  std::optional<EnvelopeView> view_;
  std::unique_ptr<Envelope> envelope_;  // made only when events are derived from this one
  std::string_view data_;
  std::unique_ptr<sealing::OpenedEvent> opened_;  // only of a sealed event
  std::optional<Uuid> event_key_;
  std::string trace_id_;
  std::optional<std::int64_t> owners_epoch_;  // while something is kept for another owner of the partition
};

}  // namespace omnibus::engine
