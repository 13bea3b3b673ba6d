/// The simple Markdown that models and people write, and WhatsApp's own marks, as pieces that each channel renders.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace omnibus::messaging {

struct Piece {
  enum class Kind {
    text,      ///< `text`
    code,      ///< `text`, within a line
    fence,     ///< `text`, the lines of a block of code
    begin,     ///< `mark` begins
    end,       ///< `mark` ends
    link_end,  ///< what was written since `link` begins leads to `text`
    item,      ///< a list's item begins; `text` is its indent, and its number if it has one
    line_end,
  };
  enum class Mark { bold, italic, strike, heading, link };

  Kind kind;
  Mark mark = Mark::bold;
  std::string text{};
};

/// Reads headings, lists, fences, `**bold**`, `*italic*`, `_italic_`, `~~strike~~`, `code`, links, images and escapes.
/// Marks pair up within a line and around words only, so that 2*3*4 and snake_case stay; what does not pair is text.
/// Blank lines are kept, two in a row and those at either end are not. Time grows with the length of the text.
std::vector<Piece> read_markdown(std::string_view text);

}  // namespace omnibus::messaging
