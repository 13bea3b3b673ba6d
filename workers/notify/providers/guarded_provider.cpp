#include "workers/notify/providers/guarded_provider.hpp"

#include <algorithm>
#include <utility>

namespace omnibus::notify {
namespace {

using std::chrono::milliseconds;

Refused throttled(std::string_view code, std::string reason, SendLimits::Clock::duration after) {
  Refused refused;
  refused.kind = Refused::Kind::throttled;
  refused.code = code;
  refused.reason = std::move(reason);
  refused.retry_after = std::chrono::ceil<milliseconds>(after);
  return refused;
}

bool is_counted(Refused const& refused) {
  return refused.of_provider && !refused.spares_breaker;
}

/// Reports a call's outcome to the breaker. A provider that answers works, even if it rejects the message.
void settle(CircuitBreaker::Permit& permit, SendResult const& result, CircuitBreaker::Clock::time_point now) {
  auto const* const refused = std::get_if<Refused>(&result);
  auto const* const unknown = std::get_if<Unknown>(&result);
  if (unknown != nullptr ? !unknown->spares_breaker : refused != nullptr && is_counted(*refused)) {
    permit.failed(now);
  } else if (std::holds_alternative<Accepted>(result) ||
             (refused != nullptr && refused->kind == Refused::Kind::permanent)) {
    permit.succeeded();
  }
}

}  // namespace

GuardedProvider::GuardedProvider(std::unique_ptr<Provider> inner, SendLimits& limits, CircuitBreaker& breaker, Now now)
    : inner_(std::move(inner)), limits_(limits), breaker_(breaker), now_(std::move(now)) {}

Refused GuardedProvider::left_alone() const {
  // A half-open breaker gives no time: its probe is running.
  auto const wait = std::max(breaker_.wait_time(now_()), milliseconds(1000));
  return {Refused::Kind::transient, std::string(refusal::breaker_open), "the circuit breaker is open", wait, true};
}

Task<std::optional<Refused>> GuardedProvider::await_turn(OutboundMessage const& message, Pause const& pause) {
  if (breaker_.wait_time(now_()).count() > 0) co_return left_alone();
  auto preparing = inner_->await_turn(message, pause);
  auto unready = co_await std::move(preparing);
  if (unready) {
    auto permit = is_counted(*unready) ? breaker_.acquire(now_()) : std::nullopt;
    if (permit) permit->failed(now_());
    co_return std::move(*unready);
  }
  auto const own = limits_.of_recipient(message.recipient, now_());
  if (!own.given) co_return throttled(refusal::recipient_limited, "too many messages to one person", own.wait);
  if (own.wait.count() > 0) {
    auto pausing = pause(own.wait);
    co_await std::move(pausing);
  }
  auto const among_all = limits_.of_provider(now_());
  if (!among_all.given) co_return throttled(refusal::rate_limited, "too many messages at once", among_all.wait);
  if (among_all.wait.count() > 0) {
    auto pausing = pause(among_all.wait);
    co_await std::move(pausing);
  }
  co_return std::nullopt;
}

Task<SendResult> GuardedProvider::send(OutboundMessage const& message) {
  auto permit = breaker_.acquire(now_());
  if (!permit) co_return left_alone();
  auto sending = inner_->send(message);
  auto result = co_await std::move(sending);
  settle(*permit, result, now_());
  co_return result;
}

Task<LookUp> GuardedProvider::look_up(OutboundMessage const& message, std::chrono::system_clock::time_point sent_at) {
  if (breaker_.wait_time(now_()).count() > 0) {
    co_return LookUp{LookUp::State::unknown, {}, "the circuit breaker is open"};
  }
  auto asking = inner_->look_up(message, sent_at);
  co_return co_await std::move(asking);
}

}  // namespace omnibus::notify
