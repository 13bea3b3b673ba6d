/// Text in UTF-16, the unit of UCS-2 messages and of WhatsApp's limits, and the places where it may be divided.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace omnibus::messaging {

/// Composed (NFC), so that a letter and its accent are one character if possible. Invalid UTF-8 becomes
/// U+FFFD.
std::u16string composed(std::string_view utf8);

/// Without composing. Invalid UTF-8 becomes U+FFFD.
std::u16string to_utf16(std::string_view utf8);
/// Without control characters: line ends become line feeds, tabs spaces, the rest is left out.
std::u16string printable(std::u16string_view text);
/// Half a surrogate pair becomes U+FFFD.
std::string to_utf8(std::u16string_view text);

/// The letters and digits of a text, for comparison: in lower case, without accents, and nothing else.
std::u16string letters(std::string_view utf8);

/// The quality of a place for dividing a text, worst first.
enum class Joint : std::uint8_t {
  surrogates,  ///< between the halves of a pair: never
  grapheme,    ///< within what a reader sees as one character: a letter and its marks, a family of emoji
  word,        ///< within a word
  gap,         ///< where a line may be broken, in any script
};

/// The joint before each unit of `text`, and the one at its end, a gap.
std::vector<Joint> joints(std::u16string_view text);

/// The cut that keeps at most `limit` units: after a word when one ends among the last units, else after
/// a grapheme, else not within a surrogate pair. White space before the cut is left out.
std::size_t cut_position(std::u16string_view text, std::size_t limit);

/// A prefix of at most `bytes` that ends with a complete character. Limits a text before it is processed.
std::string_view bounded(std::string_view utf8, std::size_t bytes);

}  // namespace omnibus::messaging
