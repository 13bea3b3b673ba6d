/// A model's answer as it is kept: paid for once, used by every later attempt and by replays.
#pragma once

#include "engine/context.hpp"
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

/// With the record of the call that was paid for it.
struct RecordedAnswer {
  std::string text;
  std::string model;
  std::optional<LlmCallCompleted> call;
  std::optional<std::vector<RecordedToolCall>> tool_calls;
};
BOOST_DESCRIBE_STRUCT(RecordedAnswer, (), (text, model, call, tool_calls))

/// What an answer is recorded under: the event itself when it takes but one, and else the event and the step.
Uuid request_key(Uuid const& event_key, std::string_view step);

/// Keeps an answer, unless one is kept.
void record_answer(engine::UnitOfWork& unit, Uuid const& event_key, std::string_view step,
                   RecordedAnswer const& answer);

/// Forgets the answers to an event: nobody is given them, so a replay must not store them.
void forget_answers(engine::UnitOfWork& unit, Uuid const& event_key);

/// The answer kept for a step of the context's event, if there is one.
Task<std::optional<RecordedAnswer>> find_answer(engine::Context& context, std::string_view step);

}  // namespace omnibus::assistant
