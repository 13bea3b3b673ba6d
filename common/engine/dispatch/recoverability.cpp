#include "engine/dispatch/recoverability.hpp"

#include <algorithm>

namespace omnibus::engine {
namespace {

std::chrono::milliseconds scale(std::chrono::milliseconds delay, double factor) {
  return std::chrono::milliseconds{static_cast<std::int64_t>(static_cast<double>(delay.count()) * factor)};
}

/// base * 2^(times-1), up to the longest.
std::chrono::milliseconds doubled(std::chrono::milliseconds base, std::uint32_t times,
                                  std::chrono::milliseconds longest) {
  auto const doublings = std::min<std::uint32_t>(times == 0 ? 0 : times - 1, 20);
  return std::min(longest, base * (1 << doublings));
}

std::chrono::milliseconds delay_of(Failure const& failure, std::uint32_t attempts,
                                   RecoverabilitySettings const& settings, double random) {
  auto asked = failure.retry_after();
  if (asked) {
    asked = std::clamp(*asked, std::chrono::milliseconds{0}, settings.longest_requested);
    *asked += scale(*asked, random / 10);
  }
  if (failure.kind() == Failure::Kind::deferred) {
    auto const ceiling = doubled(settings.first_deferral, attempts, settings.longest_requested);
    return std::max(asked.value_or(std::chrono::milliseconds{0}), scale(ceiling, (1 + random) / 2));
  }
  if (asked) return *asked;
  return scale(doubled(settings.base_delay, attempts, settings.longest_delay), random);
}

}  // namespace

Decision decide(Failure const& failure, std::uint32_t attempts, RecoverabilitySettings const& settings, double random) {
  if (failure.kind() == Failure::Kind::outage) return {Decision::Action::pause};
  auto const exhausted = failure.kind() == Failure::Kind::transient && attempts >= settings.max_attempts;
  if (failure.kind() == Failure::Kind::permanent || exhausted) return {Decision::Action::dead_letter};
  return {Decision::Action::retry, bounded(delay_of(failure, attempts, settings, random), failure)};
}

std::chrono::milliseconds bounded(std::chrono::milliseconds delay, Failure const& failure) {
  auto const at_most = std::max(failure.at_most().value_or(delay), std::chrono::milliseconds{0});
  return std::min(delay, at_most);
}

}  // namespace omnibus::engine
