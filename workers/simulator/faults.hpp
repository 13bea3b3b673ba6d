/// When and how the simulated model fails. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/describe/enum.hpp>

namespace omnibus::simulator {

enum class FaultKind {
  latency,       ///< answers, but `ms` later
  rate_limit,    ///< 429 with Retry-After
  error,         ///< an HTTP error: `status`, 500 when not given
  drip,          ///< answers, `ms` between the pieces
  truncated,     ///< 200, and the JSON ends in the middle
  endless,       ///< 200, and the body does not end
  reset,         ///< the connection breaks
  stream_error,  ///< 200, some of the answer, then an error in the stream
  wrong_type,    ///< 200 with a page of HTML
};
BOOST_DESCRIBE_ENUM(FaultKind, latency, rate_limit, error, drip, truncated, endless, reset, stream_error, wrong_type)

/// One fault and the requests it strikes: those that meet all of its conditions.
struct FaultRule {
  FaultKind kind = FaultKind::error;
  std::int64_t every = 1;             ///< every Nth of the requests that match
  double probability = 1;             ///< decided by the seed and the request's number
  std::string match = {};             ///< in the last message of the user
  std::string model = {};             ///< asked for
  std::optional<std::int64_t> times;  ///< at most so often
  std::optional<std::int64_t> ms;     ///< of latency and drip
  std::int64_t retry_after = 1;       ///< seconds, of rate_limit
  std::int64_t status = 500;          ///< of error
};

/// Reads `kind:name=value,name=value;kind`: `rate_limit:every=10,retry_after=2;reset:probability=0.01`. Besides the
/// kinds' names, `429` and a status such as `503` are understood.
/// @throws std::invalid_argument naming the part that cannot be read.
std::vector<FaultRule> parse_faults(std::string_view specification);
/// Reads `{"rules": [{"kind": "reset", "every": 10}]}`. @throws std::invalid_argument
std::vector<FaultRule> parse_fault_rules(std::string_view json);

/// Decides for each request, in their order. The same seed and requests give the same faults.
class FaultPlan {
 public:
  explicit FaultPlan(std::vector<FaultRule> rules = {}, std::uint64_t seed = 0);
  /// The first rule that strikes; null for none. Valid until the plan changes.
  FaultRule const* next(std::string_view question, std::string_view model);
  std::size_t size() const { return rules_.size(); }

 private:
  struct Armed {
    FaultRule rule;
    std::uint64_t matched = 0;
    std::int64_t struck = 0;
  };
  std::vector<Armed> rules_;
  std::uint64_t seed_;
};

}  // namespace omnibus::simulator
