/// The structured answer in a model's text. Pure.
#pragma once

#include "assistant/answer_shape.hpp"

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace omnibus::assistant {

/// What a model's text holds. Either the document is set, or `wrong` says why there is none.
struct StructuredText {
  std::string document = {};  ///< one JSON object that has its shape exactly
  std::string wrong = {};     ///< a sentence; safe to log: it names fields, never their values
  bool cut = false;           ///< the answer reached its longest length
  bool refused = false;       ///< the model refused to answer
};

/// Reads a structured answer: the one complete object in the text that fits, be it bare, in a fence or among words.
/// Two different objects that fit are none. An object within another one, or within one that does not end, is not
/// looked at. Broken surrogate pairs and control characters in strings are repaired.
/// @param finish_reason how the model ended its answer, see llm::ending_of. After `length`, `content_filter`, `refusal`
/// or an error the text is not read at all.
/// @param accept says what else is wrong with a document, or nothing.
StructuredText read_structured(
    std::string_view finish_reason, std::string_view text, AnswerShape const& shape,
    std::function<std::optional<json::DecodeError>(std::string const& document)> const& accept);

/// The first `most` characters of a text.
std::string_view first_characters(std::string_view text, std::size_t most);

}  // namespace omnibus::assistant
