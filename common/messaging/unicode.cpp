#include "messaging/unicode.hpp"

#include <algorithm>
#include <limits>
#include <memory>
#include <stdexcept>

#include <unicode/brkiter.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>
#include <unicode/utext.h>
#include <unicode/utf16.h>

namespace omnibus::messaging {
namespace {

void check(UErrorCode error, char const* what) {
  if (U_FAILURE(error)) throw std::runtime_error(std::string{what} + ": " + u_errorName(error));
}

/// ICU counts in 32 bits.
std::int32_t length(std::size_t size) {
  if (size > std::numeric_limits<std::int32_t>::max() / 4) throw std::length_error("a text of more than 512 MiB");
  return static_cast<std::int32_t>(size);
}

icu::UnicodeString decoded(std::string_view utf8) {
  return icu::UnicodeString::fromUTF8(icu::StringPiece{utf8.data(), length(utf8.size())});
}

std::u16string units(icu::UnicodeString const& text) {
  return {text.getBuffer(), static_cast<std::size_t>(text.length())};
}

using Breaks = std::unique_ptr<icu::BreakIterator>;

/// Creating one costs far more than processing a message with it.
Breaks make_breaks(icu::BreakIterator* (*make)(icu::Locale const&, UErrorCode&)) {
  auto error = U_ZERO_ERROR;
  Breaks breaks{make(icu::Locale::getRoot(), error)};
  check(error, "ICU has no rules for dividing text");
  return breaks;
}

void mark(std::vector<Joint>& joints, icu::BreakIterator& breaks, UText* text, Joint joint) {
  auto error = U_ZERO_ERROR;
  breaks.setText(text, error);
  check(error, "ICU cannot divide a text");
  for (auto at = breaks.first(); at != icu::BreakIterator::DONE; at = breaks.next()) {
    auto& here = joints[static_cast<std::size_t>(at)];
    // A line may be broken only where a grapheme ends.
    if (joint != Joint::gap || here == Joint::word) here = joint;
  }
}

bool is_space(char16_t unit) {
  return u_isUWhiteSpace(unit) != 0;
}

}  // namespace

std::u16string composed(std::string_view utf8) {
  auto error = U_ZERO_ERROR;
  auto const& nfc = *icu::Normalizer2::getNFCInstance(error);
  check(error, "ICU has no data for composing");
  auto const text = nfc.normalize(decoded(utf8), error);
  check(error, "ICU cannot compose a text");
  return units(text);
}

std::u16string to_utf16(std::string_view utf8) {
  return units(decoded(utf8));
}

std::string to_utf8(std::u16string_view text) {
  std::string utf8;
  icu::UnicodeString(false, text.data(), length(text.size())).toUTF8String(utf8);
  return utf8;
}

std::u16string printable(std::u16string_view text) {
  std::u16string kept;
  kept.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto unit = text[i];
    if (unit == u'\r' && i + 1 < text.size() && text[i + 1] == u'\n') continue;
    if (unit == u'\r' || unit == u'\f' || unit == u'\v' || unit == u'\x85') unit = u'\n';
    if (unit == u'\t') unit = u' ';
    if (unit == u'\n' || u_charType(unit) != U_CONTROL_CHAR) kept += unit;
  }
  return kept;
}

std::u16string letters(std::string_view utf8) {
  auto error = U_ZERO_ERROR;
  auto const& folding = *icu::Normalizer2::getNFKCCasefoldInstance(error);
  auto const& apart = *icu::Normalizer2::getNFDInstance(error);
  check(error, "ICU has no data for comparing");
  auto const text = apart.normalize(folding.normalize(decoded(utf8), error), error);
  check(error, "ICU cannot compare a text");
  std::u16string kept;
  for (std::int32_t i = 0; i < text.length(); ++i) {
    if (u_isalnum(text.char32At(i))) kept += text.charAt(i);
  }
  return kept;
}

std::vector<Joint> joints(std::u16string_view text) {
  thread_local Breaks const graphemes = make_breaks(&icu::BreakIterator::createCharacterInstance);
  thread_local Breaks const lines = make_breaks(&icu::BreakIterator::createLineInstance);

  std::vector<Joint> joints(text.size() + 1, Joint::grapheme);
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (U16_IS_LEAD(text[i - 1]) && U16_IS_TRAIL(text[i])) joints[i] = Joint::surrogates;
  }
  auto error = U_ZERO_ERROR;
  auto* const view = utext_openUChars(nullptr, text.data(), length(text.size()), &error);
  check(error, "ICU cannot read a text");
  std::unique_ptr<UText, decltype(&utext_close)> const closed{view, &utext_close};
  mark(joints, *graphemes, view, Joint::word);
  mark(joints, *lines, view, Joint::gap);
  joints.back() = Joint::gap;
  return joints;
}

std::size_t cut_position(std::u16string_view text, std::size_t limit) {
  if (text.size() <= limit) return text.size();
  constexpr std::size_t reach = 40;     // a longer word is cut: better than losing a line
  constexpr std::size_t after_it = 64;  // the text after the cut may belong to the grapheme before it
  auto const places = joints(text.substr(0, limit + after_it));
  auto const last = [&](Joint joint, std::size_t from) {
    for (auto at = limit; at > from; --at) {
      if (places[at] >= joint) return at;
    }
    return std::size_t{0};
  };
  auto at = last(Joint::gap, limit - std::min(limit, std::min(reach, limit / 2)));
  if (at == 0) at = last(Joint::word, limit - std::min(limit, reach));
  if (at == 0) at = last(Joint::grapheme, 0);
  while (at > 0 && is_space(text[at - 1])) --at;
  return at;
}

std::string_view bounded(std::string_view utf8, std::size_t bytes) {
  if (utf8.size() <= bytes) return utf8;
  auto end = bytes;
  while (end > 0 && bytes - end < 3 && (static_cast<unsigned char>(utf8[end]) & 0xC0) == 0x80) --end;
  return utf8.substr(0, end);
}

}  // namespace omnibus::messaging
