/// A speaker's own words in what a model wrote for it. Pure.
#pragma once

#include <string>
#include <string_view>

namespace omnibus::conversation {

/// One of the two who speak, as a model might put a name in front of a message.
struct Speaker {
  std::string role;    ///< agent_a or agent_b
  std::string handle;  ///< the person's
};

/// The message without labels: those of the speaker in front of it, and everything from a later line on that begins
/// with a label. A label is a role or a handle and a colon, in any case and width, emphasised, quoted or in brackets. A
/// message that begins with the other one's label has no words of the speaker's own. Line ends become line feeds; other
/// control characters, and white space at both ends, are left out.
std::string own_words(std::string_view message, Speaker const& own, Speaker const& other);

/// Whether a text in UTF-8 has a character that a reader can see.
bool is_visible(std::string_view text);

}  // namespace omnibus::conversation
