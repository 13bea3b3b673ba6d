/// How a model ended its answer. Pure.
#pragma once

#include <cstdint>
#include <string_view>

namespace omnibus::llm {

enum class AnswerEnding : std::uint8_t {
  none,  ///< it did not say
  stop,
  length,
  tool_calls,
  filter,  ///< the provider's content filter ended it
  refusal,
  error,
};

/// The ending that a finish reason means, in the words of any provider. A word that is not known ends an answer, too:
/// `stop`. Empty: none.
AnswerEnding ending_of(std::string_view finish_reason);

/// As OpenAI names it: stop, length, tool_calls, content_filter, refusal or error; empty for none.
std::string_view to_string(AnswerEnding ending);

}  // namespace omnibus::llm
