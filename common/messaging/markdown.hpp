/// The simple Markdown of models and people, and WhatsApp's own marks, as pieces that each channel renders.
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
    link_end,  ///< the text since `link` leads to the address `text`
    item,      ///< a list's item begins; `text` is its indent, and its number if it has one
    line_end,
  };
  enum class Mark { bold, italic, strike, heading, link };

  Kind kind;
  Mark mark = Mark::bold;
  std::string text{};
};

/// Reads CommonMark with ~~strike~~; HTML and entities are text. Line breaks are kept, and single blank lines between
/// lines; further blank lines and those at either end are dropped. Marks end and begin again at each end of a line, and
/// none is open twice. An asterisk between two letters or digits is text, so that 2*3*4 is kept.
/// The caller limits the size: for some texts CommonMark takes time that grows with the square of their length.
/// @throws std::bad_alloc
std::vector<Piece> read_markdown(std::string_view text);

}  // namespace omnibus::messaging
