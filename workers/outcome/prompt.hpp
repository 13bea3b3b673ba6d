/// The question to the model. Pure.
#pragma once

#include "llm/llm.hpp"
#include "workers/outcome/transcript.hpp"

#include <string_view>
#include <vector>

namespace omnibus::outcome {

/// The text of rubric.md.
std::string_view rubric();

/// The rubric, then the transcript as data. Has nothing else: not the prediction, not the stories of the two people.
std::vector<llm::Message> make_prompt(std::vector<SpokenTurn> const& turns);

}  // namespace omnibus::outcome
