/// One character outside GSM-7 makes a whole message cost more than twice as much: most can be said within it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace omnibus::messaging {

/// A character that another text stands for; an empty one when it was left out.
struct Replacement {
  std::string from;
  std::string to;
  std::size_t count = 0;
};

struct Transliteration {
  std::string text;
  bool gsm7 = false;                    ///< whether all of it is of the GSM-7 alphabet
  std::vector<Replacement> replaced{};  ///< in the order of their first place in the text
};

/// Writes a text in GSM-7 where all of it can be: quotes, dashes and blanks plain, accents that the alphabet lacks left
/// out, ligatures and symbols spelled, emoji dropped unless nothing would be left. A text with more than that to it, as
/// one in Arabic, stays as it is, emoji included: it would cost the same. Either way it comes back composed (NFC), as
/// UTF-8 and without control characters but line feeds.
Transliteration to_gsm7(std::string_view text);

}  // namespace omnibus::messaging
