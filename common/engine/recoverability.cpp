#include "engine/recoverability.hpp"

#include <algorithm>

namespace omnibus::engine {
namespace {

std::chrono::milliseconds scale(std::chrono::milliseconds delay, double factor) {
  return std::chrono::milliseconds{static_cast<std::int64_t>(static_cast<double>(delay.count()) * factor)};
}

}  // namespace

Decision decide(Failure const& failure, std::uint32_t attempts, RecoverabilitySettings const& settings, double random) {
  if (failure.kind() == Failure::Kind::outage) return {Decision::Action::pause};
  if (failure.kind() == Failure::Kind::permanent || attempts >= settings.max_attempts)
    return {Decision::Action::dead_letter};
  if (auto const asked = failure.retry_after()) {
    auto const honoured = std::clamp(*asked, std::chrono::milliseconds{0}, settings.longest_requested);
    return {Decision::Action::retry, honoured + scale(honoured, random / 10)};
  }
  auto const doublings = std::min<std::uint32_t>(attempts == 0 ? 0 : attempts - 1, 20);
  auto const ceiling = std::min(settings.longest_delay, settings.base_delay * (1 << doublings));
  return {Decision::Action::retry, scale(ceiling, random)};
}

}  // namespace omnibus::engine
