#include "text/csv.hpp"

#include <stdexcept>
#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace omnibus;

namespace {

/// A reader of RFC 4180, as any library has one.
std::vector<std::vector<std::string>> parse(std::string_view csv) {
  std::vector<std::vector<std::string>> rows;
  std::vector<std::string> row;
  std::string cell;
  bool quoted = false;
  for (std::size_t i = 0; i < csv.size(); ++i) {
    auto const c = csv[i];
    if (quoted) {
      if (c != '"') {
        cell += c;
      } else if (i + 1 < csv.size() && csv[i + 1] == '"') {
        cell += csv[++i];
      } else {
        quoted = false;
      }
    } else if (c == '"') {
      quoted = true;
    } else if (c == ',' || c == '\n') {
      row.push_back(std::exchange(cell, {}));
      if (c == '\n') rows.push_back(std::exchange(row, {}));
    } else if (c != '\r') {
      cell += c;
    }
  }
  return rows;
}

/// What a reader of ours does with a text cell.
std::string armed(std::string const& cell) {
  auto const rest = cell.find_first_not_of('\'');
  if (rest == 0 || rest == std::string::npos) return cell;
  auto const first = cell.find_first_not_of(" \t\r\n", rest);
  if (first == std::string::npos) return cell;
  for (auto const* const sign : {"=", "+", "-", "@", "＝", "＋", "－", "＠"})
    if (cell.compare(first, std::string(sign).size(), sign) == 0) return cell.substr(1);
  return cell[rest] == '\t' || cell[rest] == '\r' || cell[rest] == '\n' ? cell.substr(1) : cell;
}

}  // namespace

TEST_CASE("what a spreadsheet would run is text, and a parser gets back the same rows") {
  for (std::string const text : {"=HYPERLINK(\"//x\")",
                                 "@sum",
                                 "\t=1+1",
                                 "a line\n=1",
                                 "\n=1",
                                 "＝1",
                                 "+1-1",
                                 "+2507*****56",
                                 "-a",
                                 "\r=1",
                                 " =1",
                                 "'=1",
                                 "''@x",
                                 "'tis",
                                 "plain",
                                 "a,b",
                                 "a \"quoted\" word",
                                 "",
                                 "－1",
                                 "'"}) {
    CAPTURE(text);
    CsvTable table{{{"text"}, {"other"}}};
    table.add({text, "end"});
    auto const rows = parse(table.take());
    REQUIRE(rows.size() == 2);
    REQUIRE(rows[1].size() == 2);
    CHECK(armed(rows[1][0]) == text);
    CHECK(rows[1][1] == "end");
    for (auto const* const sign : {"=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"})
      CHECK_FALSE(rows[1][0].starts_with(sign));
  }
}

TEST_CASE("numbers and times keep their signs, and nothing else may stand there") {
  CsvTable table{{{"sentiment", CsvType::number}, {"at", CsvType::time}, {"name"}}};
  table.add({"-0.25", "2026-11-29T10:00:00.5Z", "Ann"});
  table.add({"+1", std::nullopt, std::nullopt});
  CHECK(table.take() == "sentiment,at,name\r\n-0.25,2026-11-29T10:00:00.5Z,Ann\r\n+1,,\r\n");
  CHECK_THROWS_AS(table.add({"=1", "", ""}), std::invalid_argument);
  CHECK_THROWS_AS(table.add({"1", "1,2", ""}), std::invalid_argument);
  CHECK_THROWS_AS(table.add({"1"}), std::invalid_argument);
}
