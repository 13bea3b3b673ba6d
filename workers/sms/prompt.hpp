/// What the model is asked. Pure.
#pragma once

#include "llm/llm.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace omnibus::sms {

/// One message of a session.
struct Line {
  bool ours = false;
  std::string content;
};

/// The instructions with the session's context, then what was said, oldest first, then what the person wrote now.
std::vector<llm::Message> make_prompt(std::string_view instructions, std::string_view context,
                                      std::vector<Line> const& history, std::string_view text);

}  // namespace omnibus::sms
