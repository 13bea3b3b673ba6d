#include "postgres/rows.hpp"

#include <fmt/format.h>

namespace omnibus::postgres::detail {
namespace {

std::string name_of(std::type_info const& row_type) {
  return boost::core::demangle(row_type.name());
}

}  // namespace

pqxx::row_size_type column_of(pqxx::result const& rows, std::string_view name, std::type_info const& row_type) {
  std::optional<pqxx::row_size_type> found;
  for (pqxx::row_size_type column = 0; column < rows.columns(); ++column) {
    if (rows.column_name(column) != name) continue;
    if (found)
      throw RowError(fmt::format("the query has two columns {0}, and {1}::{0} is one: rename one with AS", name,
                                 name_of(row_type)));
    found = column;
  }
  if (!found)
    throw RowError(
        fmt::format("the query has no column {0} for {1}::{0}: name a column with AS", name, name_of(row_type)));
  return *found;
}

void check_single_column(pqxx::result const& rows, std::type_info const& row_type) {
  if (rows.columns() == 1) return;
  throw RowError(fmt::format("the query has {} columns and {} is one value: describe a struct to read more",
                             rows.columns(), name_of(row_type)));
}

void refuse(pqxx::field const& field, std::string_view problem, std::type_info const& row_type) {
  throw RowError(fmt::format("column {} cannot be read into {}: {}", field.name(), name_of(row_type), problem));
}

}  // namespace omnibus::postgres::detail
