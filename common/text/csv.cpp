#include "text/csv.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace omnibus {
namespace {

/// Of what spreadsheets skip before they look for a formula.
bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool begins_formula(std::string_view text) {
  constexpr std::string_view signs[] = {"=", "+", "-", "@", "＝", "＋", "－", "＠"};
  return std::any_of(std::begin(signs), std::end(signs), [&](auto sign) { return text.starts_with(sign); });
}

bool needs_apostrophe(std::string_view text) {
  if (text.empty()) return false;
  if (text.front() == '\'') return needs_apostrophe(text.substr(1));
  if (text.front() == '\t' || text.front() == '\r' || text.front() == '\n') return true;
  auto const first = std::find_if_not(text.begin(), text.end(), is_blank);
  return begins_formula(text.substr(static_cast<std::size_t>(first - text.begin())));
}

bool is_bare(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == ' ' || c == '+' ||
           c == '-' || c == '.' || c == ':';
  });
}

}  // namespace

CsvTable::CsvTable(std::vector<CsvColumn> columns) : columns_{std::move(columns)} {
  for (auto const& column : columns_) add_cell(column.name);
  text_.back() = '\r';
  text_ += '\n';
}

void CsvTable::add(std::vector<std::optional<std::string>> const& values) {
  if (values.size() != columns_.size()) throw std::invalid_argument("a row of a CSV table has too many or few values");
  for (std::size_t i = 0; i < values.size(); ++i) {
    auto const value = values[i].value_or("");
    auto const is_text = columns_[i].type == CsvType::text;
    if (!is_text && !is_bare(value)) throw std::invalid_argument("a value of a CSV table is no number or time");
    add_cell(is_text && needs_apostrophe(value) ? "'" + value : value);
  }
  text_.back() = '\r';
  text_ += '\n';
}

void CsvTable::add_cell(std::string_view value) {
  auto const quoted = value.find_first_of(",\"\r\n") != std::string_view::npos;
  if (quoted) text_ += '"';
  for (auto const c : value) {
    if (c == '"') text_ += '"';
    text_ += c;
  }
  if (quoted) text_ += '"';
  text_ += ',';
}

}  // namespace omnibus
