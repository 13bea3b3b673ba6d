/// The provider's side of the chat-completions wire. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace omnibus::simulator {

/// The parts of a request that a simulated model needs.
struct Question {
  std::string model;
  std::string text;         ///< the last message of the user
  std::string tool_result;  ///< set when the last message is a tool's
  std::string tool;         ///< the tool to call, when one should be
  std::string tool_arguments;
  std::uint64_t prompt_hash = 0;  ///< of model and all messages
  std::int64_t prompt_tokens = 0;
  std::int64_t max_tokens = 0;  ///< 0: no limit
  bool stream = false;
  bool include_usage = false;
};

/// The error in a request, in the provider's words.
class BadRequest : public std::runtime_error {
 public:
  BadRequest(std::string const& message, std::string its_parameter)
      : runtime_error(message), parameter(std::move(its_parameter)) {}
  std::string parameter;
};

/// @throws BadRequest
Question read_question(std::string_view body);

struct Answer {
  std::string id;
  std::string model;
  std::string text;
  std::string tool;  ///< the tool to call; then there is no text
  std::string tool_arguments;
  std::string finish_reason;
  std::int64_t created = 0;
  std::int64_t prompt_tokens = 0;
  std::int64_t completion_tokens = 0;
};

/// The answer as one document.
std::string whole_answer(Answer const& answer);
/// The answer as the data of one event after the other, without the closing [DONE].
std::vector<std::string> answer_chunks(Answer const& answer, bool include_usage);
/// `{"error": {...}}`
std::string error_body(std::string_view message, std::string_view type, std::string_view parameter,
                       std::string_view code);

}  // namespace omnibus::simulator
