#include "json/text_mender.hpp"

#include "json/utf8.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace omnibus::json {
namespace {

constexpr std::string_view replacement_character = "\xEF\xBF\xBD";
constexpr std::size_t half_bytes = 3;  // of one half of a surrogate pair

unsigned byte_at(std::string_view text, std::size_t at) {
  return static_cast<unsigned char>(text[at]);
}

/// The length that a character has by its first byte; 0 when none begins so.
std::size_t length_by(unsigned lead) {
  if (lead < 0x80) return 1;
  if (lead < 0xC2) return 0;
  if (lead < 0xE0) return 2;
  if (lead < 0xF0) return 3;
  return lead < 0xF5 ? 4 : 0;
}

/// How many bytes at the front belong to the character that begins there, halves of surrogate pairs among them.
std::size_t fitting(std::string_view text, std::size_t length) {
  auto const lead = byte_at(text, 0);
  std::size_t fits = 1;
  while (fits < length && fits < text.size()) {
    auto const next = byte_at(text, fits);
    auto const lowest = fits > 1 ? 0x80U : lead == 0xE0 ? 0xA0U : lead == 0xF0 ? 0x90U : 0x80U;
    auto const highest = fits == 1 && lead == 0xF4 ? 0x8FU : 0xBFU;
    if (next < lowest || next > highest) break;
    ++fits;
  }
  return fits;
}

bool is_half(std::string_view text, unsigned first, unsigned last) {
  return text.size() >= 2 && byte_at(text, 0) == 0xED && byte_at(text, 1) >= first && byte_at(text, 1) <= last;
}
bool is_high_half(std::string_view text) {
  return is_half(text, 0xA0, 0xAF);
}
bool is_low_half(std::string_view text) {
  return is_half(text, 0xB0, 0xBF);
}

/// The ten bits of a half.
unsigned bits_of(std::string_view half) {
  return ((byte_at(half, 1) & 0x0FU) << 6U) | (byte_at(half, 2) & 0x3FU);
}

void append_pair(std::string& out, std::string_view high, std::string_view low) {
  auto const code = 0x10000U + (bits_of(high) << 10U) + (bits_of(low) & 0x3FFU);
  out += static_cast<char>(0xF0U | (code >> 18U));
  for (auto const shift : {12U, 6U, 0U}) out += static_cast<char>(0x80U | ((code >> shift) & 0x3FU));
}

/// Whether the text may be the beginning of a low half, the rest of which is still to come.
bool may_become_low_half(std::string_view text) {
  return text.empty() ||
         (text.size() < half_bytes && byte_at(text, 0) == 0xED && (text.size() == 1 || is_low_half(text)));
}

}  // namespace

void TextMender::append(std::string& out, std::string_view piece) {
  if (kept_.empty()) {
    auto const is_plain = [](char c) { return static_cast<signed char>(c) > 0; };
    auto const rest = std::find_if_not(piece.begin(), piece.end(), is_plain);
    if (rest == piece.end() || (is_utf8(piece) && piece.find('\0') == std::string_view::npos)) {
      out.append(piece);
      was_wrong_ = was_wrong_ && piece.empty();
      return;
    }
    return mend(out, piece, false);
  }
  auto const text = std::exchange(kept_, {}).append(piece);
  mend(out, text, false);
}

void TextMender::finish(std::string& out) {
  if (!kept_.empty()) mend(out, std::exchange(kept_, {}), true);
}

void TextMender::mend(std::string& out, std::string_view text, bool last) {
  auto const replace = [&](std::size_t bytes) {
    out += replacement_character;
    text.remove_prefix(bytes);
    has_mended_ = was_wrong_ = true;
  };
  while (!text.empty()) {
    if (was_wrong_ && (byte_at(text, 0) & 0xC0U) == 0x80U) {
      text.remove_prefix(1);
      continue;
    }
    was_wrong_ = false;
    if (text.front() == '\0') {
      text.remove_prefix(1);
      has_mended_ = true;
      continue;
    }
    auto const length = length_by(byte_at(text, 0));
    auto const fits = length == 0 ? 0 : fitting(text, length);
    if (fits == text.size() && fits < length && !last) break;
    if (length == 0 || fits < length) {
      replace(std::max<std::size_t>(fits, 1));
    } else if (is_high_half(text)) {
      auto const next = text.substr(half_bytes);
      if (may_become_low_half(next) && !last) break;
      if (next.size() >= half_bytes && is_low_half(next) && fitting(next, half_bytes) == half_bytes) {
        append_pair(out, text, next);
        text.remove_prefix(2 * half_bytes);
      } else {
        replace(half_bytes);
      }
    } else if (is_low_half(text)) {
      replace(half_bytes);
    } else {
      out.append(text.substr(0, length));
      text.remove_prefix(length);
    }
  }
  kept_ = text;
}

}  // namespace omnibus::json
