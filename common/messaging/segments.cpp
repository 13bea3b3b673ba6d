#include "messaging/segments.hpp"

#include "messaging/gsm7.hpp"
#include "messaging/unicode.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>

#include <unicode/utf16.h>

namespace omnibus::messaging {
namespace {

SmsEncoding encoding_of(std::u16string_view text) {
  return gsm7::septets(text) ? SmsEncoding::gsm7 : SmsEncoding::ucs2;
}

std::size_t width(SmsEncoding encoding, char16_t unit) {
  return encoding == SmsEncoding::gsm7 ? gsm7::septets(unit) : 1;
}

bool within_pair(std::u16string_view text, std::size_t at) {
  return at > 0 && at < text.size() && U16_IS_LEAD(text[at - 1]) && U16_IS_TRAIL(text[at]);
}

std::size_t units_of(SmsEncoding encoding, std::u16string_view text) {
  std::size_t units = 0;
  for (auto const unit : text) units += width(encoding, unit);
  return units;
}

/// The furthest end of a part that begins at `begin`.
std::size_t reach(SmsEncoding encoding, std::u16string_view text, std::size_t begin, std::size_t room) {
  auto end = begin;
  while (end < text.size() && width(encoding, text[end]) <= room) room -= width(encoding, text[end++]);
  return within_pair(text, end) ? end - 1 : end;
}

/// The fewest parts are those that are each as full as possible.
std::size_t count_parts(SmsEncoding encoding, std::u16string_view text, std::size_t units) {
  if (units <= capacity(encoding).alone) return text.empty() ? 0 : 1;
  std::size_t parts = 0;
  for (std::size_t at = 0; at < text.size(); ++parts) at = reach(encoding, text, at, capacity(encoding).in_parts);
  return parts;
}

/// The end of each part. From the end backwards, the best division of the rest at each position: costs compare by
/// parts, then split graphemes, then split words; costs are added.
std::vector<std::size_t> divide(SmsEncoding encoding, std::u16string_view text) {
  struct Choice {
    std::uint64_t cost = 0;
    std::size_t end = 0;
  };
  constexpr std::uint64_t word = 1, grapheme = word << 20, part = grapheme << 20;
  auto const places = joints(text);
  std::vector<Choice> best(text.size() + 1);
  for (auto begin = text.size(); begin-- > 0;) {
    if (places[begin] == Joint::surrogates) continue;
    auto& choice = best[begin];
    choice.cost = std::numeric_limits<std::uint64_t>::max();
    for (auto end = reach(encoding, text, begin, capacity(encoding).in_parts); end > begin; --end) {
      if (places[end] == Joint::surrogates) continue;
      auto const split = places[end] == Joint::grapheme ? grapheme : places[end] == Joint::word ? word : 0;
      auto const cost = part + split + best[end].cost;
      if (cost < choice.cost) choice = {cost, end};
    }
  }
  std::vector<std::size_t> ends;
  for (std::size_t at = 0; at < text.size(); at = ends.back()) ends.push_back(best[at].end);
  return ends;
}

/// As much of a text as fits, with the ellipsis, into parts of this encoding.
std::size_t fitting(SmsEncoding encoding, std::u16string_view text, std::size_t max_parts, std::size_t ellipsis) {
  if (max_parts == 1) return reach(encoding, text, 0, capacity(encoding).alone - ellipsis);
  auto const room = capacity(encoding).in_parts;
  std::size_t at = 0;
  for (std::size_t part = 1; part < max_parts; ++part) at = reach(encoding, text, at, room);
  return reach(encoding, text, at, room - ellipsis);
}

}  // namespace

std::string_view name(SmsEncoding encoding) {
  return encoding == SmsEncoding::gsm7 ? "GSM-7" : "UCS-2";
}

SmsSize sms_size(std::string_view given) {
  auto const text = to_utf16(given);
  auto const encoding = encoding_of(text);
  auto const units = units_of(encoding, text);
  return {encoding, units, count_parts(encoding, text, units)};
}

std::vector<SmsPart> sms_parts(std::string_view given) {
  auto const text = to_utf16(given);
  auto const encoding = encoding_of(text);
  auto const units = units_of(encoding, text);
  if (text.empty()) return {};
  if (units <= capacity(encoding).alone) return {{to_utf8(text), units, capacity(encoding).alone - units}};
  std::vector<SmsPart> parts;
  std::size_t begin = 0;
  for (auto const end : divide(encoding, text)) {
    auto const part = std::u16string_view{text}.substr(begin, end - begin);
    auto const used = units_of(encoding, part);
    parts.push_back({to_utf8(part), used, capacity(encoding).in_parts - used});
    begin = end;
  }
  return parts;
}

std::string cut_sms(std::string_view given, std::size_t max_parts) {
  auto const text = to_utf16(given);
  auto const encoding = encoding_of(text);
  if (count_parts(encoding, text, units_of(encoding, text)) <= max_parts) return to_utf8(text);
  if (max_parts == 0) return {};
  // The rest of a UCS-2 text may be all GSM-7, and then more of it fits.
  constexpr std::u16string_view dots = u"...", ellipsis = u"…";
  auto const plain = fitting(SmsEncoding::gsm7, text, max_parts, dots.size());
  if (encoding_of(std::u16string_view{text}.substr(0, plain)) == SmsEncoding::gsm7) {
    return to_utf8(text.substr(0, cut_position(text, plain)).append(dots));
  }
  auto const wide = fitting(SmsEncoding::ucs2, text, max_parts, ellipsis.size());
  return to_utf8(text.substr(0, cut_position(text, wide)).append(ellipsis));
}

}  // namespace omnibus::messaging
