/// Durations and tokens of a worker's model calls.
#pragma once

#include "events/llm.hpp"
#include "observability/metrics.hpp"

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace omnibus::assistant {

/// Observes the calls to one provider, and finds the series of each model and error once: finding one costs more than
/// the observation. Used from one event loop.
class CallMetrics {
 public:
  /// @param error_type empty for a call with an answer
  void observe(LlmCall const& call, std::string_view error_type);

 private:
  struct Series {
    std::map<std::string, Histogram, std::less<>> durations;  ///< by type of error
    std::optional<Histogram> input, output;                   ///< once an answer has begun
  };

  std::map<std::string, Series, std::less<>> models_;
};

}  // namespace omnibus::assistant
