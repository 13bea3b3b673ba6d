/// What stands within one line of Markdown.
#pragma once

#include "messaging/markdown.hpp"

namespace omnibus::messaging {

/// Appends the pieces of one line: text, marks, code and links.
void read_markdown_line(std::string_view line, std::vector<Piece>& pieces);

}  // namespace omnibus::messaging
