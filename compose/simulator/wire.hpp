/// The answers of the chat-completions wire, as its provider writes them. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

namespace omnibus::simulator {

/// A tool call of a simulated model.
struct SimulatedCall {
  std::string id;
  std::string name;
  std::string arguments;  ///< JSON text
};

struct Answer {
  std::string id;
  std::string model;
  std::string text;
  std::string refusal;                       ///< then there is no text
  std::vector<SimulatedCall> calls;          ///< then there is no text either
  std::optional<SimulatedCall> second_call;  ///< not part of the answer: for the oddities that make two calls
  std::string finish_reason;
  std::int64_t created = 0;
  std::int64_t prompt_tokens = 0;
  std::int64_t completion_tokens = 0;
};

/// The answer as one document.
boost::json::object answer_document(Answer const& answer);
/// The answer as one document after the other, each the data of an event, without the closing [DONE].
std::vector<boost::json::object> chunk_documents(Answer const& answer, bool include_usage);

/// `answer_document` as JSON text.
std::string whole_answer(Answer const& answer);
/// `chunk_documents` as JSON texts.
std::vector<std::string> answer_chunks(Answer const& answer, bool include_usage);
/// `{"error": {...}}`
std::string error_body(std::string_view message, std::string_view type, std::string_view parameter,
                       std::string_view code);

}  // namespace omnibus::simulator
