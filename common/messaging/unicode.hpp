/// Text in UTF-16, in whose units UCS-2 messages and WhatsApp's limits are counted, and where it may be divided.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace omnibus::messaging {

/// Composed (NFC), so that a letter and its accent are one character where they can be. What is not UTF-8 becomes
/// U+FFFD.
std::u16string composed(std::string_view utf8);

/// Without composing. What is not UTF-8 becomes U+FFFD.
std::u16string to_utf16(std::string_view utf8);
/// Without control characters: line ends become line feeds, tabs blanks, the rest is left out.
std::u16string printable(std::u16string_view text);
/// Half a surrogate pair becomes U+FFFD.
std::string to_utf8(std::u16string_view text);

/// The letters and digits of a text, for comparing: in lower case, without accents, and nothing else.
std::u16string letters(std::string_view utf8);

/// How good a place before a unit is to divide a text there, worst first.
enum class Joint : std::uint8_t {
  surrogates,  ///< between the halves of a pair: never
  grapheme,    ///< within what a reader takes for one character: a letter and its marks, a family of emoji
  word,        ///< within a word
  gap,         ///< where a line may be broken, whatever the script
};

/// The joint before each unit of `text`, and the one at its end, a gap.
std::vector<Joint> joints(std::u16string_view text);

/// Where to cut a text so that at most `limit` units stay: after a word when one ends among the last units, else after
/// a grapheme, else not within a surrogate pair. White space before the cut is left out.
std::size_t cut_position(std::u16string_view text, std::size_t limit);

/// A prefix of at most `bytes` that ends with a whole character. A bound on what is looked at, before anything else.
std::string_view bounded(std::string_view utf8, std::size_t bytes);

}  // namespace omnibus::messaging
