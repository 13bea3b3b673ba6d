/// Rows as array parameters.
#pragma once

#include <vector>

namespace omnibus::postgres {

/// One value of each row, in their order: a column of many rows, for a statement that takes it with unnest().
template <class Rows, class Get>
auto column(Rows const& rows, Get get) {
  std::vector<decltype(get(rows.front()))> values;
  values.reserve(rows.size());
  for (auto const& row : rows) values.push_back(get(row));
  return values;
}

}  // namespace omnibus::postgres
