/// The requests of the chat-completions wire, as a simulated model reads them. Pure.
#pragma once

#include "compose/simulator/wire.hpp"

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include <boost/json/value.hpp>

namespace omnibus::simulator {

/// The parts of a request that a simulated model needs.
struct Question {
  /// The form that `response_format` asks for.
  enum class Form { text, json_object, json_schema };

  std::string model;
  std::string text;                          ///< the last message of the user
  std::string told;                          ///< all that a structured answer is made of, see read_question()
  std::string tool_result;                   ///< set when the last message is a tool's
  std::optional<SimulatedCall> call;         ///< the tool call to make, when one should be
  std::optional<SimulatedCall> second_call;  ///< one more, for the oddities that make two calls
  Form form = Form::text;
  boost::json::value schema;      ///< of Form::json_schema
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

/// What a structured answer is made of are the texts in the prompt's data, its blocks of JSON. Without data it is the
/// last message of the user, then what follows the first paragraph of the instructions, then the user's earlier
/// messages, the newest first.
/// @throws BadRequest
Question read_question(std::string_view body);

}  // namespace omnibus::simulator
