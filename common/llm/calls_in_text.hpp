/// Tool calls that a server has left in the text of an answer. Pure.
#pragma once

#include "llm/llm.hpp"

#include <cstddef>
#include <set>
#include <string>

namespace omnibus::llm {

/// The tools of a request by which the text of its answer is read.
struct OfferedTools {
  explicit OfferedTools(ChatRequest const& request);

  std::set<std::string, std::less<>> names;
  /// Whether the model knows tools, offered or called before: then it may write their markup.
  bool are_known = false;
};

/// Servers without a parser for their model's tool calls leave them in the text. Makes calls of the offered tools of
/// blocks like `<tool_call>{"name": ..., "arguments": {...}}</tool_call>`, the last of which may be cut off, and of a
/// text that is nothing but such objects. Takes every block out of the text, as markup is not for people. An answer
/// that has calls keeps them and gets no more. A text without markup, and an answer to a request without tools, stay as
/// they are.
/// @param messages how many the request has, as for AnswerTurn
void take_calls_in_text(ChatCompletion& completion, OfferedTools const& tools, std::size_t messages);

}  // namespace omnibus::llm
