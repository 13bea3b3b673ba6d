// The part of the engine that decides what happens to a failed event.
#include "engine/engine.hpp"
#include "faults/failpoint.hpp"
#include "handler/classify.hpp"
#include "observability/log.hpp"
#include "postgres/errors.hpp"

#include <algorithm>
#include <bit>
#include <exception>
#include <random>
#include <utility>

namespace omnibus::engine {
namespace {

constexpr std::chrono::seconds own_outage_delay{1};
constexpr std::chrono::seconds longest_own_outage_delay{30};
constexpr std::chrono::seconds just_before{2};  // longer than a wait for a lock

bool holds(std::exception_ptr const& error, bool (*says)(std::exception const&) noexcept) {
  try {
    std::rethrow_exception(error);
  } catch (std::exception const& failed) {
    return says(failed);
  } catch (...) {
    return false;
  }
}

}  // namespace

std::optional<Failure> Engine::judge(Delivery& delivery, std::exception_ptr const& error) {
  auto failure = classify(error);
  if (!failure) return failure;
  auto const event = event_of(delivery);
  if (holds(error, postgres::is_time_out)) {
    outages_.timed_out(event);
    if (outages_.is_slow()) failure = Failure::outage("the database is slow: most transactions time out");
  }
  if (failure->kind() != Failure::Kind::outage) {
    delivery.outages = 0;
    return failure;
  }
  // Others that the database answers meanwhile prove that it is this event's own: a lock on its row, a missing right.
  auto const again = std::exchange(delivery.outages, delivery.outages + 1) > 0;
  auto const now = Clock::now();
  auto const since = again ? delivery.last_outage : now - just_before;
  auto const may_be_its_own = again || holds(error, postgres::may_concern_one_event);
  delivery.last_outage = now;
  if (!may_be_its_own || !outages_.others_succeeded_since(event, since)) return failure;
  return Failure::deferred(failure->what(), own_outage_delay, longest_own_outage_delay);
}

Task<Verdict> Engine::resolve(Delivery& delivery, Attempt& attempt, std::exception_ptr error) {
  if (delivery.resolved) co_return Verdict{Verdict::Kind::done};  // committed; the failure came after it
  auto const failure = judge(delivery, error);
  if (!failure) {
    confirm_membership(delivery);
    co_return Verdict{Verdict::Kind::hold};
  }
  if (delivery.first_failed == Clock::time_point{}) delivery.first_failed = Clock::now();
  auto const random = std::uniform_real_distribution{}(random_);
  if (failure->kind() == Failure::Kind::deferred) {
    auto const times = ++delivery.deferrals;
    auto const delay = decide(*failure, times, settings_.recoverability, random).delay;
    bump(counters_.deferred);
    // Thousands of events may wait for the same thing, for a day: each logs ever more rarely.
    if (std::has_single_bit(times))
      log::info(attempt.log_fields(), "deferred",
                {{"times", times}, {"in_ms", delay.count()}, {"reason", failure->what()}});
    auto const is_long = stores_deferrals() && delay >= settings_.long_deferral;
    co_return Verdict{is_long ? Verdict::Kind::defer : Verdict::Kind::retry, delay};
  }
  delivery.deferrals = 0;
  auto const counted = failure->kind() == Failure::Kind::outage ? delivery.attempts : ++delivery.attempts;
  auto const decision = decide(*failure, counted, settings_.recoverability, random);
  switch (decision.action) {
    case Decision::Action::pause:
      bump(counters_.outages);
      log::warn(attempt.log_fields(), "paused by an outage", {{"reason", failure->what()}});
      co_return Verdict{Verdict::Kind::outage};
    case Decision::Action::retry: {
      bump(counters_.retried);
      auto delay = decision.delay;
      // Without budget the retry waits longer, to add no load to a failing service.
      if (!budget_.spend(Clock::now()))
        delay = bounded(std::max(delay, settings_.recoverability.longest_delay), *failure);
      log::info(attempt.log_fields(), "retry",
                {{"attempt", counted}, {"in_ms", delay.count()}, {"reason", failure->what()}});
      co_return Verdict{Verdict::Kind::retry, delay};
    }
    case Decision::Action::dead_letter:
      break;
  }
  if (ports_.replay != nullptr) {
    ports_.replay->count(Replay::Outcome::failed, failure->error_class());
    delivery.not_handled = true;
    log::error(attempt.log_fields(), "failed in the replay",
               {{"topic", delivery.partition->where.topic},
                {"class", failure->error_class()},
                {"attempts", counted},
                {"reason", failure->what()}});
    co_return Verdict{Verdict::Kind::done};
  }
  auto parking = park(delivery, attempt, *failure);
  co_return co_await std::move(parking);
}

Verdict Engine::leave_out(Delivery& delivery, log::EventFields const& fields) {
  delivery.resolved = true;
  bump(counters_.erased);
  if (ports_.replay != nullptr) {
    ports_.replay->count(Replay::Outcome::skipped, "erased");
    delivery.not_handled = true;
  }
  log::debug(fields, "left out: it is about an erased person", {{"topic", delivery.partition->where.topic}});
  return Verdict{Verdict::Kind::done};
}

Task<Verdict> Engine::park(Delivery& delivery, Attempt& attempt, Failure const& failure) {
  delivery.unfiltered = true;  // admission decides
  auto also = work_.giving_up(attempt, failure);
  for (;;) {
    std::exception_ptr failed;
    OMNIBUS_FAILPOINT("dead_letter");
    try {
      auto parking = attempt.dead_letter(failure, also);
      co_await std::move(parking);
      break;
    } catch (...) {
      failed = std::current_exception();
    }
    if (raised<Erased>(failed)) co_return leave_out(delivery, attempt.log_fields());
    auto const refusal = classify(failed);
    if (!refusal) {
      confirm_membership(delivery);
      co_return Verdict{Verdict::Kind::hold};
    }
    if (refusal->kind() == Failure::Kind::outage) co_return Verdict{Verdict::Kind::outage};
    if (refusal->kind() == Failure::Kind::deferred)  // an erasure is running
      co_return Verdict{Verdict::Kind::retry, refusal->retry_after().value_or(settings_.recoverability.first_deferral)};
    if (!also || refusal->kind() != Failure::Kind::permanent) {
      log::error(attempt.log_fields(), "a dead letter could not be written", {{"reason", refusal->what()}});
      co_return Verdict{Verdict::Kind::retry, settings_.recoverability.longest_delay};
    }
    log::warn(attempt.log_fields(), "a dead letter is written without what its handler adds",
              {{"reason", refusal->what()}});
    also = {};  // the handler's additions cannot be written, and must not prevent the parking
  }
  bump(counters_.dead_lettered);
  if (failure.error_class() == "invalid_event" || failure.error_class() == "unknown_type")
    bump(counters_.dead_malformed);
  else if (failure.kind() == Failure::Kind::transient)
    bump(counters_.dead_exhausted);
  log::error(attempt.log_fields(), "dead letter",
             {{"topic", delivery.partition->where.topic},
              {"class", failure.error_class()},
              {"attempts", delivery.attempts},
              {"reason", failure.what()}});
  co_return Verdict{Verdict::Kind::done};
}

}  // namespace omnibus::engine
