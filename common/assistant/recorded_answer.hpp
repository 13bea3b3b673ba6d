/// A model's stored answer: paid for once, used by every later attempt and by replays.
#pragma once

#include "events/llm.hpp"
#include "llm/llm.hpp"
#include "uuid/uuid.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/describe/class.hpp>

namespace omnibus::assistant {

struct RecordedToolCall {
  std::string id;
  std::string name;
  std::string arguments;
};
BOOST_DESCRIBE_STRUCT(RecordedToolCall, (), (id, name, arguments))

/// With the records of the calls that produced it.
struct RecordedAnswer {
  std::string text;  ///< empty when a structured answer has no words: then the last failure is its call
  std::string model;
  std::optional<LlmCallCompleted> call;
  std::optional<std::vector<RecordedToolCall>> tool_calls;
  std::optional<std::vector<LlmCallFailed>> failures;  ///< calls before it that failed
};
BOOST_DESCRIBE_STRUCT(RecordedAnswer, (), (text, model, call, tool_calls, failures))

/// The key of a stored answer: the event's if it takes only one, else derived from the event and the step.
Uuid request_key(Uuid const& event_key, std::string_view step);

}  // namespace omnibus::assistant
