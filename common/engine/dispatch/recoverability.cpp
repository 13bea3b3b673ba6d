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

}  // namespace

Decision decide(Failure const& failure, std::uint32_t attempts, RecoverabilitySettings const& settings, double random) {
  if (failure.kind() == Failure::Kind::outage) return {Decision::Action::pause};
  auto const deferred = failure.kind() == Failure::Kind::deferred;
  if (failure.kind() == Failure::Kind::permanent || (!deferred && attempts >= settings.max_attempts))
    return {Decision::Action::dead_letter};
  auto asked = failure.retry_after();
  if (asked) {
    asked = std::clamp(*asked, std::chrono::milliseconds{0}, settings.longest_requested);
    *asked += scale(*asked, random / 10);
  }
  if (deferred) {
    auto const ceiling = doubled(settings.first_deferral, attempts, settings.longest_requested);
    return {Decision::Action::retry,
            std::max(asked.value_or(std::chrono::milliseconds{0}), scale(ceiling, (1 + random) / 2))};
  }
  if (asked) return {Decision::Action::retry, *asked};
  return {Decision::Action::retry, scale(doubled(settings.base_delay, attempts, settings.longest_delay), random)};
}

}  // namespace omnibus::engine
