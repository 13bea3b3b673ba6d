/// A call's transcript in a prompt. Pure.
#pragma once

#include "events/call.hpp"
#include "llm/llm.hpp"

#include <cstddef>
#include <string_view>
#include <vector>

namespace omnibus::call {

/// The instructions, and the transcript as one message: as much of its end as fits `token_budget` (a quarter of the
/// bytes), whole utterances only. An utterance cannot contain a line that seems to be said by another speaker.
std::vector<llm::Message> summary_prompt(std::string_view instructions, std::vector<Utterance> const& transcript,
                                         std::size_t token_budget);

}  // namespace omnibus::call
