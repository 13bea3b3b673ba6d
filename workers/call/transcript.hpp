/// A call's transcript as a model is shown it. Pure.
#pragma once

#include "events/call.hpp"
#include "llm/llm.hpp"

#include <cstddef>
#include <string_view>
#include <vector>

namespace omnibus::call {

/// The instructions, and the transcript as one message: as much of its end as fits `token_budget` (a quarter of the
/// bytes), whole utterances only. What somebody said can make no line of its own that another seems to speak.
std::vector<llm::Message> summary_prompt(std::string_view instructions, std::vector<Utterance> const& transcript,
                                         std::size_t token_budget);

}  // namespace omnibus::call
