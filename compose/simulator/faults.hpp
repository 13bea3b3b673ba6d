/// Faults of the simulated model and the simulated message providers, and the model's oddities. Pure.
#pragma once

#include "compose/simulator/oddities/oddity.hpp"

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
  not_json,      ///< a structured answer that is no JSON
  wrong_schema,  ///< a structured answer that does not fit its schema
  refusal,       ///< the model refuses to answer
};
BOOST_DESCRIBE_ENUM(FaultKind, latency, rate_limit, error, drip, truncated, endless, reset, stream_error, wrong_type,
                    not_json, wrong_schema, refusal)

/// How a message provider fails. Kinds with `accept` accept the message first, so that its sender cannot know.
enum class SendFaultKind {
  latency,         ///< answers, but `ms` later
  rate_limit,      ///< 429 with Retry-After
  error,           ///< an HTTP error before the message is accepted: `status`, 500 when not given
  reset,           ///< the connection breaks before the message is accepted
  accept_error,    ///< the same HTTP error, but the message was accepted
  accept_reset,    ///< accepted, then the connection breaks
  accept_hang,     ///< accepted, then nothing for `ms`, and then the connection breaks
  accept_garbage,  ///< accepted, then a 200 without content
};
BOOST_DESCRIBE_ENUM(SendFaultKind, latency, rate_limit, error, reset, accept_error, accept_reset, accept_hang,
                    accept_garbage)

/// One fault and the requests it affects: those that meet all of its conditions.
template <class Kind>
struct RuleOf {
  Kind kind = {};
  std::int64_t every = 1;             ///< every Nth of the requests that match
  std::int64_t turn = 0;              ///< strikes so many requests before the Nth
  double probability = 1;             ///< decided by the seed and the request's number
  std::string match = {};             ///< in the last message of the user, in the text of a message
  std::string asked = {};             ///< the model, or the provider (whatsapp, mtn, mtn_token, twilio)
  std::optional<std::int64_t> times;  ///< at most this often
  std::optional<std::int64_t> ms;     ///< of latency, drip and accept_hang
  std::int64_t retry_after = 1;       ///< seconds, of rate_limit
  std::int64_t status = 500;          ///< of error
};
using FaultRule = RuleOf<FaultKind>;
using SendFaultRule = RuleOf<SendFaultKind>;
using OddityRule = RuleOf<OddWay const*>;

/// Reads `kind:name=value,name=value;kind`: `rate_limit:every=10,retry_after=2;reset:probability=0.01`. Besides the
/// kinds' names, `429` and a status such as `503` are understood. Oddities are told like this, too; those without
/// conditions take turns.
/// @throws std::invalid_argument naming the part that cannot be read.
template <class Kind = FaultKind>
std::vector<RuleOf<Kind>> parse_faults(std::string_view specification);
/// Reads `{"rules": [{"kind": "reset", "every": 10}]}`. @throws std::invalid_argument
template <class Kind = FaultKind>
std::vector<RuleOf<Kind>> parse_fault_rules(std::string_view json);

/// Decides for each request, in order. The same seed and requests give the same faults.
template <class Kind>
class PlanOf {
 public:
  explicit PlanOf(std::vector<RuleOf<Kind>> rules = {}, std::uint64_t seed = 0);
  /// The first rule that applies; null for none. Valid until the plan changes.
  RuleOf<Kind> const* next(std::string_view text, std::string_view asked);
  std::size_t size() const { return rules_.size(); }

 private:
  struct Armed {
    RuleOf<Kind> rule;
    std::uint64_t matched = 0;
    std::int64_t struck = 0;
  };
  std::vector<Armed> rules_;
  std::uint64_t seed_;
};
using FaultPlan = PlanOf<FaultKind>;
using SendFaultPlan = PlanOf<SendFaultKind>;
using OddityPlan = PlanOf<OddWay const*>;

}  // namespace omnibus::simulator
