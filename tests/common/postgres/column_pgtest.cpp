#include "database_fixture.hpp"
#include "postgres/column.hpp"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <pqxx/pqxx>

using namespace omnibus;
using postgres::column;

TEST_CASE("a column of optional values reaches the database as it is, also when most are absent") {
  test::TestDatabase database;
  pqxx::connection connection{database.url()};
  pqxx::nontransaction query{connection};
  std::vector<std::optional<int>> rows(100);
  rows[50] = -7;
  auto const numbers = column(rows, [](std::optional<int> const& row) { return row; });
  auto const doubles = column(rows, [](std::optional<int> const& row) {
    return row ? std::optional{static_cast<double>(*row) / 2} : std::nullopt;
  });
  auto const answer =
      query.exec("SELECT count(*), count(n), sum(n), sum(d) FROM unnest($1::int[], $2::double precision[]) AS t (n, d)",
                 pqxx::params{numbers, doubles});
  CHECK(answer.one_row().as<int, int, int, double>() == std::tuple{100, 1, -7, -3.5});
}
