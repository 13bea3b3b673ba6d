/// The prompt for the model. Pure.
#pragma once

#include "llm/llm.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace omnibus::sms {

/// One message of a session.
struct SessionLine {
  bool ours = false;
  std::string content;
};

/// The instructions, the session's context, then as much of the newest history as fits `token_budget` (a quarter of
/// the bytes), oldest first, then the person's new message. Messages without text are left out.
std::vector<llm::Message> make_prompt(std::string_view instructions, std::string_view context,
                                      std::vector<SessionLine> const& history, std::string_view text,
                                      std::int64_t token_budget);

}  // namespace omnibus::sms
