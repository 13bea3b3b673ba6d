/// Replaces characters outside GSM-7: a single one makes the whole message cost more than twice as much.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace omnibus::messaging {

/// A character and its replacement; an empty one when it was left out.
struct Replacement {
  std::string from;
  std::string to;
  std::size_t count = 0;
};

struct Transliteration {
  std::string text;
  bool gsm7 = false;                    ///< whether all of it is in the GSM-7 alphabet
  std::vector<Replacement> replaced{};  ///< in the order of their first position in the text
};

/// Converts a text to GSM-7 if all of it can be: plain quotes, dashes and spaces, accents that the alphabet lacks left
/// out, ligatures and symbols spelled out, emoji dropped unless nothing would be left. Any other text, such as
/// one in Arabic, stays unchanged, with its emoji: it would cost the same. The result is composed (NFC), in
/// UTF-8 and without control characters except line feeds.
Transliteration to_gsm7(std::string_view text);

}  // namespace omnibus::messaging
