/// Prompts as every endpoint takes them. Pure.
#pragma once

#include "llm/llm.hpp"

#include <vector>

namespace omnibus::assistant {

/// Heals what strict endpoints refuse: messages without words are left out, messages of one role behind one another
/// become one, and the first one after the instructions is the user's. What we wrote before that is told in the
/// instructions. Tool calls and their results stay as they are.
std::vector<llm::Message> healed(std::vector<llm::Message> prompt);

/// Whether the prompt ends with something to answer: words of the user, or results of tools.
bool asks_something(std::vector<llm::Message> const& prompt);

}  // namespace omnibus::assistant
