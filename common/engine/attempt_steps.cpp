// The part of an attempt that commits the event and its steps.
#include "engine/attempt.hpp"
#include "engine/commit/event_maker.hpp"
#include "engine/commit/handler_unit.hpp"
#include "engine/engine.hpp"
#include "handler/classify.hpp"
#include "observability/log.hpp"
#include "postgres/fence.hpp"

#include <exception>
#include <optional>
#include <utility>

#include <pqxx/except>

namespace omnibus::engine {

Task<bool> Attempt::commit_unit(std::function<void(UnitOfWork&)> work) {
  auto committing = write(event_key(), {}, {}, [&work](UnitOfWork& unit, UnitOfWork&) { work(unit); });
  auto const committed = co_await std::move(committing);
  delivery_.resolved = true;
  co_return committed;
}

Task<bool> Attempt::commit_step(std::string step, std::function<void(UnitOfWork&)> work) {
  auto const id = name_uuid(event_key(), step);
  auto committing = write(id, std::move(step), {}, [&work](UnitOfWork& unit, UnitOfWork&) { work(unit); });
  co_return co_await std::move(committing);
}

/// What was paid for belongs to the event, whoever owns its partition.
Task<bool> Attempt::keep_step(std::string step, std::function<void(UnitOfWork&)> work) {
  std::exception_ptr fenced;
  try {
    auto committing = commit_step(step, work);
    co_return co_await std::move(committing);
  } catch (Fenced const&) {
    fenced = std::current_exception();
  }
  std::optional<Failure> failed;
  try {
    auto const& where = delivery_.partition->where;
    auto reading = pool().run([&](pqxx::connection& connection) {
      return postgres::epoch_of(connection, worker(), {engine_.identity().claimed(where.topic), where.partition});
    });
    owners_epoch_ = co_await std::move(reading);
    auto keeping = commit_step(std::move(step), std::move(work));
    co_await std::move(keeping);
  } catch (...) {
    failed = classify(std::current_exception());
  }
  if (failed) log::warn(log_fields(), "what was paid for is not kept for its next owner", {{"reason", failed->what()}});
  owners_epoch_.reset();
  std::rethrow_exception(fenced);
}

Task<bool> Attempt::commit_unit_with_step(std::string step, std::function<void(UnitOfWork&)> alone,
                                          std::function<void(UnitOfWork&, UnitOfWork&)> together) {
  std::exception_ptr failed;
  try {
    auto committing = write(event_key(), {}, step, [&](UnitOfWork& unit, UnitOfWork& first) { together(first, unit); });
    auto const committed = co_await std::move(committing);
    delivery_.resolved = true;
    co_return committed;
  } catch (Erased const&) {
    throw;
  } catch (pqxx::in_doubt_error const&) {  // the partition was given up: its next owner finds out
    throw;
  } catch (...) {
    failed = std::current_exception();
  }
  auto keeping = keep_step(std::move(step), std::move(alone));
  co_await std::move(keeping);
  std::rethrow_exception(failed);
}

Task<bool> Attempt::write(Uuid id, std::string series, std::string step,
                          std::function<void(UnitOfWork&, UnitOfWork&)> work) {
  std::uint64_t suppressed = 0;
  std::optional<HandlerUnit> mine;  // the work's, until its transaction ends
  std::optional<HandlerUnit> of_step;
  auto running = run(id, [&, this](postgres::OpenUnit& unit) {
    suppressed = 0;
    auto* const counted = replaying() ? &suppressed : nullptr;
    mine.emplace(unit, EventMaker{envelope(), worker(), series, sealing(&unit.transaction())}, counted);
    if (step.empty()) return work(*mine, *mine);
    of_step.emplace(unit, EventMaker{envelope(), worker(), step, sealing(&unit.transaction())}, counted);
    work(*mine, *of_step);
  });
  auto const result = co_await std::move(running);
  auto const committed = result.outcome == postgres::CommitOutcome::committed;
  if (replaying() && committed) engine_.ports().replay->count(Replay::Outcome::suppressed, {}, suppressed);
  co_return committed;
}

}  // namespace omnibus::engine
