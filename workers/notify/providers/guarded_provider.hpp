/// A provider behind its rate limits and its circuit breaker.
#pragma once

#include "resilience/circuit_breaker.hpp"
#include "workers/notify/providers/provider.hpp"
#include "workers/notify/providers/send_limits.hpp"

#include <functional>
#include <memory>

namespace omnibus::notify {

/// Makes every message wait for its turn, if it is soon, and stops calls to a provider that keeps failing.
/// Its own refusals are transient: nothing was sent. Limits and breaker must outlive it; others may share them.
class GuardedProvider final : public Provider {
 public:
  using Clock = SendLimits::Clock;
  using Now = std::function<Clock::time_point()>;

  GuardedProvider(std::unique_ptr<Provider> inner, SendLimits& limits, CircuitBreaker& breaker, Now now = &Clock::now);

  std::string_view name() const override { return inner_->name(); }
  std::string_view channel() const override { return inner_->channel(); }
  Capabilities capabilities() const override { return inner_->capabilities(); }
  std::int64_t unit_price_micros() const override { return inner_->unit_price_micros(); }
  std::optional<Uuid> sender_id() const override { return inner_->sender_id(); }
  Task<std::optional<Refused>> await_turn(OutboundMessage const& message, Pause const& pause) override;
  /// Call it when await_turn() has admitted the message; it does not wait itself.
  Task<SendResult> send(OutboundMessage const& message) override;
  /// Not subject to the limits; unknown while the breaker is open.
  Task<LookUp> look_up(OutboundMessage const& message, std::chrono::system_clock::time_point sent_at) override;

 private:
  Refused left_alone() const;

  std::unique_ptr<Provider> inner_;
  SendLimits& limits_;
  CircuitBreaker& breaker_;
  Now now_;
};

}  // namespace omnibus::notify
