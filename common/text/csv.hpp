/// Tables as CSV (RFC 4180) that a spreadsheet can open safely.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace omnibus {

/// What the values of a column are. Only text can come from people, so only text is disarmed: numbers and times keep
/// their signs.
enum class CsvType : std::uint8_t { text, number, time };

struct CsvColumn {
  std::string_view name;  ///< must outlive its table
  CsvType type = CsvType::text;
};

/// Builds a table. A text that a spreadsheet would take for a formula (it begins with = + - @, a tab, CR or LF, or with
/// one of the full-width forms of = + - @, also behind white space) gets an apostrophe in front, also behind its own
/// apostrophes: so whoever removes one from such texts gets back every text. Use it from one thread.
class CsvTable {
 public:
  /// Writes the line of names.
  explicit CsvTable(std::vector<CsvColumn> columns);

  /// Adds a row; an absent value is an empty cell.
  /// @throws std::invalid_argument for another number of values than columns, or a number or time that has something
  /// else in it than digits, letters, blanks and + - . :
  void add(std::vector<std::optional<std::string>> const& values);

  /// The text since the last call. Lines end with CR LF.
  std::string take() { return std::exchange(text_, {}); }

 private:
  void add_cell(std::string_view value);

  std::vector<CsvColumn> columns_;
  std::string text_;
};

}  // namespace omnibus
