#include "workers/conversation/speech.hpp"

#include "text/words.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>
#include <unicode/utf8.h>

namespace omnibus::conversation {
namespace {

constexpr std::int32_t longest_label = 96;  // characters: a handle has at most 64
constexpr UChar32 replacement = 0xFFFD;

using Labels = std::vector<icu::UnicodeString>;

/// Calls `take(character, its bytes)` for each character until it returns false.
template <class Take>
void each_character(std::string_view text, Take take) {
  auto const* const bytes = reinterpret_cast<std::uint8_t const*>(text.data());
  auto const size = static_cast<std::int32_t>(text.size());
  for (std::int32_t at = 0; at < size;) {
    auto const begin = at;
    UChar32 c = 0;
    U8_NEXT_OR_FFFD(bytes, at, size, c);
    if (!take(c, text.substr(static_cast<std::size_t>(begin), static_cast<std::size_t>(at - begin)))) return;
  }
}

bool is_colon(UChar32 c) {
  return c == ':' || c == 0xFF1A || c == 0xFE55 || c == 0xFE13 || c == 0x2236 || c == 0xA789;
}

bool is_line_end(UChar32 c) {
  return (c >= '\n' && c <= '\r') || c == 0x85 || c == 0x2028 || c == 0x2029;
}

bool is_decoration(char16_t c) {
  return std::u16string_view{u" *_~>#\"'`()[]{}«»“”‘’„「」【】"}.find(c) != std::u16string_view::npos;
}

/// Without case and width, and with single blanks.
icu::UnicodeString normalised(std::string_view text) {
  auto error = U_ZERO_ERROR;
  auto const& folding = *icu::Normalizer2::getNFKCCasefoldInstance(error);
  auto const folded =
      folding.normalize(icu::UnicodeString::fromUTF8({text.data(), static_cast<std::int32_t>(text.size())}), error);
  if (U_FAILURE(error)) throw std::runtime_error(std::string{"ICU cannot fold a text: "} + u_errorName(error));
  icu::UnicodeString result;
  for (std::int32_t i = 0; i < folded.length(); i = folded.moveIndex32(i, 1)) {
    auto const c = folded.char32At(i);
    auto const is_blank = u_isUWhiteSpace(c) != 0;
    if (!is_blank) result.append(c);
    if (is_blank && !result.isEmpty() && !result.endsWith(u" ", 1)) result.append(u' ');
  }
  return result.trim();
}

/// Without emphasis, quotation marks and brackets at both ends.
icu::UnicodeString bare(icu::UnicodeString const& text) {
  std::int32_t begin = 0;
  auto end = text.length();
  while (begin < end && is_decoration(text[begin])) ++begin;
  while (end > begin && is_decoration(text[end - 1])) --end;
  return {text, begin, end - begin};
}

Labels labels_of(Speaker const& speaker) {
  Labels labels;
  auto const add = [&](std::string_view text) {
    auto label = normalised(text);
    if (auto stripped = bare(label); !stripped.isEmpty()) label = std::move(stripped);
    if (!label.isEmpty()) labels.push_back(std::move(label));
  };
  for (auto const* const separator : {"_", " ", "-", ""}) {
    auto role = speaker.role;
    if (auto const at = role.find('_'); at != std::string::npos) role.replace(at, 1, separator);
    add(role);
  }
  add(speaker.handle);
  return labels;
}

/// The bytes of the label that a line begins with, its colon included; 0 when it begins with none of these.
std::size_t label_length(std::string_view line, Labels const& labels) {
  std::size_t length = 0;
  std::size_t read = 0;
  std::int32_t characters = 0;
  each_character(line, [&](UChar32 c, std::string_view bytes) {
    if (is_colon(c)) {
      auto const name = normalised(line.substr(0, read));
      auto stripped = bare(name);
      if (stripped.isEmpty()) stripped = name;
      if (std::find(labels.begin(), labels.end(), stripped) != labels.end()) length = read + bytes.size();
    }
    read += bytes.size();
    return length == 0 && ++characters < longest_label;
  });
  // What closes the emphasis of a label, as in `**agent_a:** Hello`.
  while (length > 0 && length < line.size() && (line[length] == '*' || line[length] == '_')) ++length;
  return length;
}

/// The lines of a text, without control characters.
std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines(1);
  UChar32 before = 0;
  each_character(text, [&](UChar32 c, std::string_view bytes) {
    if (c == '\n' && before == '\r') {
      before = c;
      return true;
    }
    before = c;
    if (is_line_end(c)) {
      lines.emplace_back();
    } else if (c == '\t' || u_charType(c) != U_CONTROL_CHAR) {
      lines.back() += c == replacement ? std::string_view{"\xEF\xBF\xBD"} : bytes;
    }
    return true;
  });
  return lines;
}

std::string trimmed(std::string_view text) {
  std::size_t begin = text.size();
  std::size_t end = 0;
  std::size_t read = 0;
  each_character(text, [&](UChar32 c, std::string_view bytes) {
    if (!u_isUWhiteSpace(c)) {
      begin = std::min(begin, read);
      end = read + bytes.size();
    }
    read += bytes.size();
    return true;
  });
  return begin < end ? std::string{text.substr(begin, end - begin)} : std::string{};
}

}  // namespace

std::string own_words(std::string_view message, Speaker const& own, Speaker const& other) {
  auto const own_labels = labels_of(own);
  auto all_labels = labels_of(other);
  all_labels.insert(all_labels.end(), own_labels.begin(), own_labels.end());
  std::string words;
  for (std::string_view line : lines_of(message)) {
    if (!is_visible(words)) {
      words.clear();
      while (auto const length = label_length(line, own_labels)) line.remove_prefix(length);
    }
    if (label_length(line, all_labels) > 0) break;
    words.append(line).append("\n");
  }
  return trimmed(words);
}

bool is_visible(std::string_view text) {
  constexpr UChar32 blank_braille = 0x2800;
  auto found = false;
  each_character(text, [&](UChar32 c, std::string_view) {
    auto const type = u_charType(c);
    found = !u_isUWhiteSpace(c) && !u_hasBinaryProperty(c, UCHAR_DEFAULT_IGNORABLE_CODE_POINT) &&
            type != U_CONTROL_CHAR && type != U_FORMAT_CHAR && type != U_UNASSIGNED && c != blank_braille;
    return !found;
  });
  return found && has_words(text);  // what is stored must also be sent again
}

}  // namespace omnibus::conversation
