#include "messaging/transliterate.hpp"

#include "messaging/gsm7.hpp"
#include "messaging/unicode.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>

#include <unicode/normalizer2.h>
#include <unicode/translit.h>
#include <unicode/uchar.h>
#include <unicode/utf16.h>

namespace omnibus::messaging {
namespace {

/// Characters that ICU leaves unchanged, or that have a better replacement than ICU's.
constexpr std::pair<char16_t, std::u16string_view> ours[] = {
    {u'`', u"'"},   {u'´', u"'"},    {u'«', u"\""},    {u'»', u"\""},     {u'„', u"\""},  {u'‚', u"'"},
    {u'‹', u"'"},   {u'›', u"'"},    {u'ʾ', u"'"},     {u'ʿ', u"'"},      {u'•', u"-"},   {u'‣', u"-"},
    {u'◦', u"-"},   {u'▪', u"-"},    {u'⁃', u"-"},     {u'∙', u"-"},      {u'·', u"-"},   {u'¬', u"-"},
    {u'¯', u"-"},   {u'°', u"o"},    {u'¢', u"c"},     {u'¦', u"|"},      {u'µ', u"u"},   {u'μ', u"u"},
    {u'†', u"+"},   {u'‰', u"0/00"}, {u'≤', u"<="},    {u'≥', u">="},     {u'≠', u"!="},  {u'≈', u"~"},
    {u'⇒', u"=>"},  {u'★', u"*"},    {u'ə', u"e"},     {u'Ə', u"E"},      {u'ǝ', u"e"},   {u'Ǝ', u"E"},
    {u'ɔ', u"o"},   {u'Ɔ', u"O"},    {u'ɛ', u"e"},     {u'Ɛ', u"E"},      {u'ɣ', u"g"},   {u'Ɣ', u"G"},
    {u'₦', u"NGN"}, {u'₵', u"GHS"},  {u'₿', u"BTC"}, {u'₽', u"RUB"},  {u'₩', u"KRW"}, {u'₪', u"ILS"},
    {u'₫', u"VND"}, {u'₱', u"PHP"},  {u'₴', u"UAH"},   {u'\xFFFD', u"?"},
};

constexpr char16_t emoji_style = u'\xFE0F';

icu::Transliterator const& latin_to_ascii() {
  static std::unique_ptr<icu::Transliterator const> const made = [] {
    auto error = U_ZERO_ERROR;
    std::unique_ptr<icu::Transliterator const> rules{
        icu::Transliterator::createInstance("Latin-ASCII", UTRANS_FORWARD, error)};
    if (U_FAILURE(error)) throw std::runtime_error(std::string{"ICU has no Latin-ASCII rules: "} + u_errorName(error));
    return rules;
  }();
  return *made;
}

/// The characters that a compatibility character means: ™ for TM, ² for 2.
icu::UnicodeString spelled(icu::UnicodeString const& character) {
  auto error = U_ZERO_ERROR;
  auto const& nfkc = *icu::Normalizer2::getNFKCInstance(error);
  if (U_FAILURE(error)) throw std::runtime_error("ICU has no data for compatibility characters");
  return nfkc.normalize(character, error);
}

/// Emoji, their joiners and colours, and symbols that decorate a text without meaning.
bool is_decoration(UChar32 c) {
  return u_hasBinaryProperty(c, UCHAR_EXTENDED_PICTOGRAPHIC) || u_hasBinaryProperty(c, UCHAR_EMOJI_MODIFIER) ||
         u_hasBinaryProperty(c, UCHAR_REGIONAL_INDICATOR) || u_charType(c) == U_OTHER_SYMBOL;
}

/// The replacement in GSM-7 for a character outside of it; empty for one to leave out; nothing when there is none.
std::optional<std::u16string> stand_in(UChar32 c, bool as_emoji) {
  auto const* const known = std::ranges::find(ours, c, [](auto const& pair) { return UChar32{pair.first}; });
  if (known != std::end(ours)) return std::u16string{known->second};
  switch (u_charType(c)) {
    case U_SPACE_SEPARATOR:
      return u" ";
    case U_LINE_SEPARATOR:
    case U_PARAGRAPH_SEPARATOR:
      return u"\n";
    case U_FORMAT_CHAR:       // joiners, directions, soft hyphens
    case U_NON_SPACING_MARK:  // accents that no letter composes with, and the styles of emoji
    case U_ENCLOSING_MARK:
      return u"";
    default:
      break;
  }
  if (as_emoji) return u"";
  icu::UnicodeString const character{c};
  auto other = character;
  latin_to_ascii().transliterate(other);
  if (other == character) other = spelled(character);
  if (other == character && is_decoration(c)) return u"";
  std::u16string text{other.getBuffer(), static_cast<std::size_t>(other.length())};
  if (!gsm7::septets(text)) return std::nullopt;
  return text;
}

void note(std::vector<Replacement>& replaced, std::u16string_view from, std::u16string_view to) {
  auto character = to_utf8(from);
  auto const known = std::ranges::find(replaced, character, &Replacement::from);
  if (known != replaced.end()) {
    ++known->count;
  } else {
    replaced.push_back({std::move(character), to_utf8(to), 1});
  }
}

}  // namespace

Transliteration to_gsm7(std::string_view given) {
  auto const text = printable(composed(given));
  std::u16string plain;
  plain.reserve(text.size());
  std::vector<Replacement> replaced;
  auto after_gap = false;  // a character was left out after a space or at the beginning
  for (std::size_t i = 0; i < text.size();) {
    auto const begin = i;
    UChar32 c = 0;
    U16_NEXT(text.data(), i, text.size(), c);
    if (U_IS_BMP(c) && gsm7::septets(text[begin]) > 0) {
      if (!(after_gap && text[begin] == u' ')) plain += text[begin];
      after_gap = false;
      continue;
    }
    auto const other = stand_in(c, i < text.size() && text[i] == emoji_style);
    if (!other) return {to_utf8(text), false};
    after_gap = other->empty() && (plain.empty() || plain.back() == u' ' || plain.back() == u'\n');
    plain += *other;
    note(replaced, std::u16string_view{text}.substr(begin, i - begin), *other);
  }
  auto const blank = plain.find_first_not_of(u" \n") == std::u16string::npos;
  if (blank && !replaced.empty()) return {to_utf8(text), false};
  return {to_utf8(plain), true, std::move(replaced)};
}

}  // namespace omnibus::messaging
