/// The prompt of a turn. Pure.
#pragma once

#include "llm/llm.hpp"
#include "workers/conversation/guidance.hpp"
#include "workers/conversation/speech.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <boost/describe/class.hpp>

namespace omnibus::conversation {

/// What a person tells of themselves.
struct Story {
  std::string narrative;
  std::optional<std::string> current_focus;
  std::vector<std::string> seeking_connections;
  std::vector<std::string> offering_expertise;
};
BOOST_DESCRIBE_STRUCT(Story, (), (narrative, current_focus, seeking_connections, offering_expertise))

/// A turn that was said.
struct PastTurn {
  std::string speaker_role;
  std::string message;
};
BOOST_DESCRIBE_STRUCT(PastTurn, (), (speaker_role, message))

/// The scene of a turn: everything that its prompt depends on but the history. There is no place for the other
/// person's story.
struct Scene {
  Speaker own;
  Speaker other;
  Story story;  ///< of the speaker's person
  std::vector<GuidingInsight> insights;
  std::int64_t turn_number = 1;
  std::int64_t max_turns = 2;
  std::int64_t turn_tokens = 400;  ///< the longest answer
};

/// The estimated tokens of a message in a prompt.
std::size_t message_tokens(std::string_view message);

/// The prompt for a turn: system, user, assistant, ..., user, as strict providers demand it. The speaker's own turns
/// are the assistant's, the other's are the user's. Of the history the newest turns that fit into `token_budget` are
/// used, and the last one in any case. What people wrote stands in it as JSON. The same input gives the same bytes.
/// @param history oldest first; it ends with the other's turn, or is empty.
std::vector<llm::Message> make_turn_prompt(Scene const& scene, std::span<PastTurn const> history,
                                           std::size_t token_budget);

}  // namespace omnibus::conversation
