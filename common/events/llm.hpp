#pragma once

#include "text/invalid_field.hpp"
#include "uuid/uuid.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <boost/describe/class.hpp>

namespace omnibus {

/// One attempt at one model, for telemetry and cost accounting: the common part of the two events below.
struct LlmCall {
  Uuid call_id;
  std::string domain;
  Uuid conversation_id;
  std::string worker;             ///< the caller, such as "chat"
  std::string operation;          ///< `gen_ai.operation.name`, such as "chat"
  std::string provider;           ///< `gen_ai.provider.name`, such as "openai"
  std::string request_model;      ///< the model asked for
  std::string response_model;     ///< the model that answered; empty when none did
  std::int64_t input_tokens = 0;  ///< cached ones included
  std::int64_t output_tokens = 0;
  std::int64_t cached_input_tokens = 0;
  std::int64_t reasoning_tokens = 0;
  bool usage_estimated = false;          ///< the provider reported no usage; the token counts are our estimate
  std::string cost_usd = "0.000000000";  ///< a decimal with nine places
  std::int64_t duration_ms = 0;
  std::optional<std::int64_t> ttft_ms;       ///< time to the first token; only of a streamed answer
  std::string finish_reason;                 ///< stop, length, tool_calls or content_filter; empty if there was none
  std::optional<std::string> fallback_from;  ///< the model that failed before this one was tried
  // For an agent that works in steps; absent if not counted.
  std::optional<std::int64_t> iterations;
  std::optional<std::int64_t> tool_calls;
  std::optional<std::int64_t> search_calls;
  std::optional<std::int64_t> search_zero_results;  ///< the searches that found nothing
};
BOOST_DESCRIBE_STRUCT(LlmCall, (),
                      (call_id, domain, conversation_id, worker, operation, provider, request_model, response_model,
                       input_tokens, output_tokens, cached_input_tokens, reasoning_tokens, usage_estimated, cost_usd,
                       duration_ms, ttft_ms, finish_reason, fallback_from, iterations, tool_calls, search_calls,
                       search_zero_results))

/// Rules of both events' schemas beyond the types: counts are not negative, and the cost is a decimal of at
/// most nine digits before and exactly nine after the point.
std::optional<InvalidField> validate(LlmCall const& call);

/// A model answered.
struct LlmCallCompleted : LlmCall {
  static constexpr std::string_view type = "omnibus.llm.call.completed.v1";
};
BOOST_DESCRIBE_STRUCT(LlmCallCompleted, (LlmCall), ())

/// A model did not answer, or its answer was not usable.
struct LlmCallFailed : LlmCall {
  static constexpr std::string_view type = "omnibus.llm.call.failed.v1";
  std::string error_type;  ///< `error.type`, such as "timeout" or "429"
};
BOOST_DESCRIBE_STRUCT(LlmCallFailed, (LlmCall), (error_type))

}  // namespace omnibus
