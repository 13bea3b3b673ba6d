/// Text for people: safe for a terminal, in columns, with readable times.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace omnibus::cli {

/// The text with every character escaped that could move a terminal's cursor or hide text: control characters,
/// invalid UTF-8, and characters that change the direction of writing. Cut after `longest` bytes with "…".
std::string printable(std::string_view text, std::size_t longest = std::string_view::npos);

/// Rows under headings, each column as wide as its widest cell. Cells are made printable.
class Table {
 public:
  explicit Table(std::vector<std::string> headings) : rows_{std::move(headings)} {}
  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_{};
};

/// Distinguishes keys without revealing them: the first 12 digits of the key's SHA-256.
std::string key_hash(std::optional<std::string> const& key);

/// Milliseconds since 1970 as 2026-11-20T10:00:00Z; "-" for none.
std::string utc(std::int64_t ms);

/// A time such as 2026-11-20T10:00:00Z (or 2026-11-20), or an age such as 90s, 30m, 2h or 7d.
/// @throws std::invalid_argument that shows the forms.
std::int64_t read_time(std::string_view text, std::int64_t now_ms);

/// A duration such as 90s, 30m, 2h or 7d, in seconds; nothing for another text.
std::optional<std::int64_t> read_seconds(std::string_view text);

}  // namespace omnibus::cli
