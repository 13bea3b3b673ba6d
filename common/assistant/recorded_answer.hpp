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

/// With the record of the call that produced it.
struct RecordedAnswer {
  std::string text;
  std::string model;
  std::optional<LlmCallCompleted> call;
  std::optional<std::vector<RecordedToolCall>> tool_calls;
};
BOOST_DESCRIBE_STRUCT(RecordedAnswer, (), (text, model, call, tool_calls))

/// The key of a stored answer: the event's if it takes only one, else derived from the event and the step.
Uuid request_key(Uuid const& event_key, std::string_view step);

}  // namespace omnibus::assistant
