#include "workers/cli/terminal/terminal.hpp"

#include "hash/hash.hpp"
#include "time/time.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <stdexcept>

#include <fmt/format.h>

namespace omnibus::cli {
namespace {

constexpr std::int64_t last_of_year_9999 = 253'402'300'799'000;

/// One character of UTF-8 and its length; length 0 if it is invalid.
struct Decoded {
  char32_t code = 0;
  std::size_t length = 0;
};

Decoded decode(std::string_view text) {
  auto const byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  auto const lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  std::size_t const length = lead >= 0xF0 && lead < 0xF5   ? 4
                             : lead >= 0xE0 && lead < 0xF0 ? 3
                             : lead >= 0xC2 && lead < 0xE0 ? 2
                                                           : 0;
  if (length == 0 || length > text.size()) return {};
  auto code = static_cast<char32_t>(lead & (0xFFU >> (length + 1)));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0U) != 0x80) return {};
    code = (code << 6) | (byte(i) & 0x3FU);
  }
  constexpr std::array<char32_t, 5> least{0, 0, 0x80, 0x800, 0x10000};
  if (code < least[length] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return {};
  return {code, length};
}

bool is_unsafe(char32_t code) {
  return code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0xAD || code == 0x61C ||
         (code >= 0x200B && code <= 0x200F) || (code >= 0x2028 && code <= 0x202E) ||
         (code >= 0x2060 && code <= 0x206F) || code == 0xFEFF || (code >= 0xE0000 && code <= 0xE007F);
}

std::size_t width(std::string_view printable_text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      printable_text, [](char each) { return (static_cast<unsigned char>(each) & 0xC0U) != 0x80; }));
}

/// A time of RFC 3339, also one without seconds, or a date.
std::optional<std::int64_t> read_date(std::string_view text) {
  constexpr std::size_t to_the_minute = 16;  // as 2026-11-20T10:00
  if (text.size() == to_the_minute + 1 && text.ends_with('Z'))
    return parse_time_ms(std::string{text.substr(0, to_the_minute)} + ":00Z");
  return parse_time_or_date_ms(text);
}

}  // namespace

std::string printable(std::string_view text, std::size_t longest) {
  std::string out;
  while (!text.empty()) {
    auto const [code, length] = decode(text);
    auto const taken = std::max<std::size_t>(1, length);
    std::string shown;
    if (length == 0)
      shown = fmt::format("\\x{:02x}", static_cast<unsigned char>(text.front()));
    else if (code < 0x80 && is_unsafe(code))
      shown = code == '\n' ? "\\n" : code == '\t' ? "\\t" : fmt::format("\\x{:02x}", static_cast<unsigned>(code));
    else if (is_unsafe(code))
      shown = fmt::format("\\u{{{:x}}}", static_cast<unsigned>(code));
    else
      shown = text.substr(0, taken);
    if (longest != std::string_view::npos && out.size() + shown.size() > longest) return out + "…";
    out += shown;
    text.remove_prefix(taken);
  }
  return out;
}

std::string Table::text() const {
  std::vector<std::vector<std::string>> cells;
  std::vector<std::size_t> widths(rows_.front().size());
  for (auto const& row : rows_) {
    auto& shown = cells.emplace_back();
    for (std::size_t i = 0; i < widths.size(); ++i) {
      shown.push_back(i < row.size() ? printable(row[i]) : "");
      widths[i] = std::max(widths[i], width(shown.back()));
    }
  }
  std::string out;
  for (auto const& row : cells) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      line.append(widths[i] - width(row[i]) + 2, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + '\n';
  }
  return out;
}

std::string key_hash(std::optional<std::string> const& key) {
  if (!key) return "-";
  return to_hex(sha256(*key)).substr(0, 12);
}

std::string utc(std::int64_t ms) {
  if (ms < 0 || ms > last_of_year_9999) return "-";
  return format_time_ms(ms, Fraction::none);
}

std::optional<std::int64_t> read_seconds(std::string_view text) {
  if (text.empty()) return std::nullopt;
  auto const unit = std::string_view{"smhd"}.find(text.back());
  if (unit == std::string_view::npos) return std::nullopt;
  constexpr std::array<std::int64_t, 4> seconds{1, 60, 3600, 86400};
  std::int32_t count = 0;
  auto const* const last = text.data() + text.size() - 1;
  auto const [end, error] = std::from_chars(text.data(), last, count);
  if (error != std::errc{} || end != last || count < 0) return std::nullopt;
  return count * seconds.at(unit);
}

std::int64_t read_time(std::string_view text, std::int64_t now) {
  if (auto const seconds = read_seconds(text)) return now - *seconds * 1000;
  if (auto const date = read_date(text)) return *date;
  throw std::invalid_argument(
      fmt::format("{} is not a time: give one such as 2026-11-20T10:00:00Z, or an age such as 90s, 30m, 2h or 7d",
                  printable(text, 64)));
}

}  // namespace omnibus::cli
