/// Rows of a query as described structs: each member is read from the column of its name.
///
/// ```
/// struct Person {
///   Uuid id;
///   std::optional<std::string> phone_number;  // may be NULL
///   std::vector<std::string> tags;            // text[]
/// };
/// BOOST_DESCRIBE_STRUCT(Person, (), (id, phone_number, tags))
///
/// auto const people = postgres::read<Person>(
///     transaction, "SELECT id, phone_number, tags FROM people WHERE domain = $1", pqxx::params{domain});
/// ```
/// Members of described bases are members. A Row that is no described struct is the value of a query's only column:
/// `read<Uuid>(rows)`. Columns that no member names are ignored. Columns are looked up once per result.
///
/// Members may be what libpqxx converts (text, numbers, bool, pqxx::bytes), Uuid, described enums by the name of their
/// enumerator, std::vector (one-dimensional arrays without NULL), std::chrono::milliseconds and
/// std::chrono::system_clock::time_point (both from a whole number of ms, the latter since 1970: a timestamp's text
/// depends on the session), and std::optional of any of these.
#pragma once

#include "uuid/uuid.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <typeinfo>
#include <vector>

#include <boost/core/demangle.hpp>
#include <boost/describe/enum_from_string.hpp>
#include <boost/describe/members.hpp>
#include <boost/mp11/algorithm.hpp>
#include <pqxx/pqxx>

namespace omnibus::postgres {

/// A query's columns do not match the struct of its rows: a column is missing, given twice, NULL or of another
/// type. `what()` names column and struct. A retry cannot succeed.
struct RowError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

namespace detail {

template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;

template <class T>
inline constexpr bool is_vector = false;
template <class T>
inline constexpr bool is_vector<std::vector<T>> = true;

/// The position of the column `name`. @throws RowError, unless there is exactly one.
pqxx::row_size_type column_of(pqxx::result const& rows, std::string_view name, std::type_info const& row_type);
/// @throws RowError unless the result has one column.
void check_single_column(pqxx::result const& rows, std::type_info const& row_type);
[[noreturn]] void refuse(pqxx::field const& field, std::string_view problem, std::type_info const& row_type);

/// @throws pqxx::conversion_error
template <class T>
T convert(pqxx::field const& field) {
  if constexpr (is_optional<T>) {
    return field.is_null() ? T{} : T{convert<typename T::value_type>(field)};
  } else {
    if (field.is_null()) throw pqxx::conversion_error{"is NULL, which only a std::optional can be"};
    if constexpr (std::is_same_v<T, Uuid>) {
      auto const uuid = parse_uuid(field.view());
      if (!uuid) throw pqxx::conversion_error{"is no UUID"};
      return *uuid;
    } else if constexpr (std::is_enum_v<T>) {
      T value{};
      if (!boost::describe::enum_from_string(field.c_str(), value))
        throw pqxx::conversion_error{"names no enumerator of " + boost::core::demangle(typeid(T).name())};
      return value;
    } else if constexpr (std::is_same_v<T, std::chrono::milliseconds>) {
      return T{field.as<std::chrono::milliseconds::rep>()};
    } else if constexpr (std::is_same_v<T, std::chrono::system_clock::time_point>) {
      return T{convert<std::chrono::milliseconds>(field)};
    } else if constexpr (is_vector<T>) {
      auto const array = field.as_sql_array<typename T::value_type>();
      return T(array.cbegin(), array.cend());
    } else {
      return field.as<T>();
    }
  }
}

/// @throws RowError naming the column that cannot be read.
template <class Row, class T>
T read_field(pqxx::field const& field) {
  try {
    return convert<T>(field);
  } catch (pqxx::conversion_error const& error) {
    refuse(field, error.what(), typeid(Row));
  }
}

template <class Row>
concept DescribedRow = boost::describe::has_describe_members<Row>::value;

/// Reads the rows of one result with a single column, which is a value.
template <class Row>
class RowReader {
 public:
  explicit RowReader(pqxx::result const& rows) { check_single_column(rows, typeid(Row)); }

  Row operator()(pqxx::row const& row) const { return read_field<Row, Row>(row[0]); }
};

/// Reads the rows of one result; looks up the column of each member once.
template <DescribedRow Row>
class RowReader<Row> {
 public:
  explicit RowReader(pqxx::result const& rows) {
    auto* column = columns_.data();
    boost::mp11::mp_for_each<Members>(
        [&](auto member) { *column++ = column_of(rows, decltype(member)::name, typeid(Row)); });
  }

  Row operator()(pqxx::row const& row) const {
    Row result{};
    auto const* column = columns_.data();
    boost::mp11::mp_for_each<Members>([&](auto member) {
      auto& value = result.*decltype(member)::pointer;
      value = read_field<Row, std::remove_reference_t<decltype(value)>>(row[*column++]);
    });
    return result;
  }

 private:
  using Members = boost::describe::describe_members<Row, boost::describe::mod_public | boost::describe::mod_inherited>;

  std::array<pqxx::row_size_type, boost::mp11::mp_size<Members>::value> columns_{};
};

}  // namespace detail

/// All rows, in their order. @throws RowError
template <class Row>
std::vector<Row> read(pqxx::result const& rows) {
  detail::RowReader<Row> const reader{rows};
  std::vector<Row> result;
  result.reserve(static_cast<std::size_t>(rows.size()));
  for (auto const& row : rows) result.push_back(reader(row));
  return result;
}

/// The only row. @throws RowError, pqxx::unexpected_rows unless there is exactly one
template <class Row>
Row read_one(pqxx::result const& rows) {
  detail::RowReader<Row> const reader{rows};
  return reader(rows.one_row());
}

/// The only row, or nothing when there is none. @throws RowError, pqxx::unexpected_rows when there are several
template <class Row>
std::optional<Row> read_optional(pqxx::result const& rows) {
  detail::RowReader<Row> const reader{rows};
  auto const row = rows.opt_row();
  return row ? std::optional<Row>{reader(*row)} : std::nullopt;
}

/// Runs a query and reads its rows. @throws RowError, and what libpqxx throws
template <class Row>
std::vector<Row> read(pqxx::transaction_base& transaction, std::string_view query, pqxx::params const& params = {}) {
  return read<Row>(transaction.exec(query, params));
}

/// Runs a query that gives one row. @throws as read(), and pqxx::unexpected_rows
template <class Row>
Row read_one(pqxx::transaction_base& transaction, std::string_view query, pqxx::params const& params = {}) {
  return read_one<Row>(transaction.exec(query, params));
}

/// Runs a query that gives one row or none. @throws as read(), and pqxx::unexpected_rows
template <class Row>
std::optional<Row> read_optional(pqxx::transaction_base& transaction, std::string_view query,
                                 pqxx::params const& params = {}) {
  return read_optional<Row>(transaction.exec(query, params));
}

}  // namespace omnibus::postgres
