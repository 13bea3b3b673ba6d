#include "resilience/breaker_metrics.hpp"

#include "observability/metrics.hpp"

namespace omnibus {

void count_transition(std::string const& breaker, CircuitBreaker::State entered) {
  auto& metrics = Metrics::process();
  metrics.gauge<Metric::breaker_state>(breaker).set(static_cast<double>(entered));
  metrics.counter<Metric::breaker_transitions>(breaker, to_string(entered)).add();
}

}  // namespace omnibus
