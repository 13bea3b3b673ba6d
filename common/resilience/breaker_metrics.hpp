/// What circuit breakers do, as metrics.
#pragma once

#include "resilience/circuit_breaker.hpp"

#include <string>

namespace omnibus {

/// Shows the breaker's state and counts that it was entered. A listener of CircuitBreakers; any thread.
void count_transition(std::string const& breaker, CircuitBreaker::State entered);

}  // namespace omnibus
