#include "resilience/circuit_breaker.hpp"

#include <algorithm>

namespace omnibus {

std::optional<CircuitBreaker::Permit> CircuitBreaker::acquire(Clock::time_point now) {
  std::scoped_lock const lock{mutex_};
  if (state_ == State::open && now - opened_ >= settings_.open_time) enter(State::half_open);
  if (state_ == State::open || (state_ == State::half_open && probing_)) return std::nullopt;
  probing_ = state_ == State::half_open;
  return Permit(this, generation_);
}

void CircuitBreaker::Permit::settle(bool success, Clock::time_point now) {
  if (breaker_ == nullptr) return;
  auto& breaker = *breaker_;
  std::scoped_lock const lock{breaker.mutex_};
  if (breaker.generation_ != generation_) return;
  breaker_ = nullptr;
  if (success) {
    breaker.failures_ = 0;
    if (breaker.state_ != State::closed) breaker.enter(State::closed);
    return;
  }
  ++breaker.failures_;
  if (breaker.state_ == State::closed && breaker.failures_ < breaker.settings_.failure_threshold) return;
  breaker.opened_ = now;
  breaker.enter(State::open);
}

void CircuitBreaker::Permit::release() {
  auto* const breaker = std::exchange(breaker_, nullptr);
  if (breaker == nullptr) return;
  std::scoped_lock const lock{breaker->mutex_};
  if (breaker->generation_ == generation_) breaker->probing_ = false;
}

CircuitBreaker::State CircuitBreaker::state() const {
  std::scoped_lock const lock{mutex_};
  return state_;
}

std::chrono::milliseconds CircuitBreaker::wait_time(Clock::time_point now) const {
  std::scoped_lock const lock{mutex_};
  if (state_ != State::open) return {};
  auto const left = std::chrono::ceil<std::chrono::milliseconds>(opened_ + settings_.open_time - now);
  return std::max(left, std::chrono::milliseconds(0));
}

void CircuitBreaker::enter(State state) {
  state_ = state;
  failures_ = 0;
  probing_ = false;
  ++generation_;
  if (listener_) listener_(state);
}

std::string_view to_string(CircuitBreaker::State state) {
  switch (state) {
    case CircuitBreaker::State::closed:
      return "closed";
    case CircuitBreaker::State::half_open:
      return "half_open";
    case CircuitBreaker::State::open:
      return "open";
  }
  return "unknown";
}

CircuitBreaker& CircuitBreakers::at(std::string_view key) {
  std::scoped_lock const lock{mutex_};
  if (auto const found = breakers_.find(key); found != breakers_.end()) return *found->second;
  std::string name(key);
  CircuitBreaker::Listener listener;
  if (listener_) listener = [this, name](CircuitBreaker::State entered) { listener_(name, entered); };
  return *breakers_.emplace(name, std::make_unique<CircuitBreaker>(settings_, std::move(listener))).first->second;
}

}  // namespace omnibus
