/// Decides what happens to an event that failed.
#pragma once

#include "handler/failure.hpp"

#include <chrono>
#include <cstdint>

namespace omnibus::engine {

/// Delays and limits of retries.
struct RecoverabilitySettings {
  std::uint32_t max_attempts = 8;                        ///< after this many failed attempts it is dead-lettered
  std::chrono::milliseconds base_delay{200};             ///< the upper end of the first back-off
  std::chrono::milliseconds longest_delay{30'000};       ///< the upper end of every later one
  std::chrono::milliseconds longest_requested{300'000};  ///< of a delay that the other side asked for, or a deferral
  std::chrono::milliseconds first_deferral{1'000};       ///< the upper end of the first one
};

struct Decision {
  enum class Action { retry, dead_letter, pause };
  Action action;
  std::chrono::milliseconds delay{0};  ///< before a retry
};

/// Decides by the failure's kind and the number of failed attempts, this one included. Back-off has full jitter:
/// uniform in [0, min(longest, base * 2^(attempts-1))], after Brooker, "Exponential Backoff and Jitter" (2015); a delay
/// requested by the other side is honoured, plus up to a tenth so that not all retries come at once. A deferral grows
/// the same way from its own base, but has at least half of its upper end, to spare an unavailable party. Every delay
/// is bounded().
/// @param attempts of a deferral: how often in a row the event has been deferred, this time included.
/// @param random uniform in [0, 1).
Decision decide(Failure const& failure, std::uint32_t attempts, RecoverabilitySettings const& settings, double random);

/// The delay, or the failure's `at_most` if that is shorter.
std::chrono::milliseconds bounded(std::chrono::milliseconds delay, Failure const& failure);

}  // namespace omnibus::engine
