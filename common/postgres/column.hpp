/// Rows as array parameters.
#pragma once

#include <concepts>
#include <optional>
#include <string>
#include <vector>

#include <pqxx/strconv>

namespace omnibus::postgres {

template <class T>
concept Number = std::integral<T> || std::floating_point<T>;

/// A value as an element of an array parameter.
template <class Value>
Value element(Value value) {
  return value;
}
/// Numbers that may be null are sent as text: libpqxx 7.10 reserves too few bytes for an array of numbers and nulls,
/// and writes beyond them.
template <Number Value>
std::optional<std::string> element(std::optional<Value> number) {
  return number ? std::optional{pqxx::to_string(*number)} : std::nullopt;
}

/// One value of each row, in their order: a column of many rows, for a statement that takes it with unnest().
template <class Rows, class Get>
auto column(Rows const& rows, Get get) {
  std::vector<decltype(element(get(rows.front())))> values;
  values.reserve(rows.size());
  for (auto const& row : rows) values.push_back(element(get(row)));
  return values;
}

}  // namespace omnibus::postgres
