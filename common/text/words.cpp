#include "text/words.hpp"

#include <algorithm>
#include <array>

namespace omnibus {
namespace {

bool is_between(char c, unsigned first, unsigned last) {
  auto const byte = static_cast<unsigned char>(c);
  return byte >= first && byte <= last;
}

}  // namespace

bool has_words(std::string_view text) {
  // White space and characters without a shape beyond ASCII, in UTF-8: U+0085, U+00A0, U+00AD, U+1680, U+2000 to
  // U+200F, U+2028, U+2029, U+202F, U+205F, U+2060, U+3000, U+FEFF.
  static constexpr std::array<std::string_view, 12> shapeless{
      "\xC2\x85",     "\xC2\xA0",     "\xC2\xAD",     "\xE1\x9A\x80", "\xE2\x80\xA8", "\xE2\x80\xA9",
      "\xE2\x80\xAF", "\xE2\x81\x9F", "\xE2\x81\xA0", "\xE3\x80\x80", "\xEF\xBB\xBF", "\xEF\xB8\x8F"};
  while (!text.empty()) {
    auto const c = static_cast<unsigned char>(text.front());
    if (c <= 0x20 || c == 0x7F) {
      text.remove_prefix(1);
      continue;
    }
    if (c < 0x80) return true;
    if (text.size() >= 3 && text.starts_with("\xE2\x80") && is_between(text[2], 0x80, 0x8F)) {
      text.remove_prefix(3);
      continue;
    }
    auto const* const found =
        std::find_if(shapeless.begin(), shapeless.end(), [&](std::string_view each) { return text.starts_with(each); });
    if (found == shapeless.end()) return true;
    text.remove_prefix(found->size());
  }
  return false;
}

}  // namespace omnibus
