#include "database_fixture.hpp"
#include "postgres/binary_copy.hpp"
#include "postgres/errors.hpp"

#include <limits>

#include <doctest/doctest.h>
#include <pqxx/pqxx>

using namespace omnibus;
using namespace omnibus::postgres;

namespace {

constexpr auto smallest = std::numeric_limits<std::int64_t>::min();
constexpr auto largest = std::numeric_limits<std::int64_t>::max();

/// A session with a table of its own of that one column.
struct Column {
  explicit Column(std::string const& type) : connection{database.url()}, transaction{connection} {
    transaction.exec("CREATE TEMPORARY TABLE copied (n int GENERATED ALWAYS AS IDENTITY, v " + type + ")");
  }
  template <class... Values>
  Column& copy(Values const&... values) {
    BinaryCopy rows{transaction, "copied (v)"};
    (rows.add(values), ...);
    rows.complete();
    return *this;
  }
  std::string text() {
    return transaction.query_value<std::string>(
        "SELECT string_agg(coalesce(v::text, 'null'), ' ' ORDER BY n) FROM copied");
  }

  test::EmptyDatabase database;
  pqxx::connection connection;
  pqxx::work transaction;
};

}  // namespace

TEST_CASE("a binary copy writes each kind of value as PostgreSQL reads it from text") {
  CHECK(Column{"boolean"}.copy(true, false).text() == "true false");
  CHECK(Column{"int"}.copy(std::int32_t{0}, std::int32_t{-1}, std::numeric_limits<std::int32_t>::min()).text() ==
        "0 -1 -2147483648");
  CHECK(Column{"bigint"}.copy(std::int64_t{256}, smallest, largest).text() ==
        "256 -9223372036854775808 9223372036854775807");
  CHECK(Column{"text"}.copy(std::string{"tab\t\\\n\xc3\xa9"}, std::string_view{}).text() == "tab\t\\\n\xc3\xa9 ");
  auto const uuid = random_uuid();
  CHECK(Column{"uuid"}.copy(uuid, std::optional<Uuid>{}).text() == to_string(uuid) + " null");
  CHECK(Column{"numeric(28,9)"}
            .copy(Nano{0}, Nano{1}, Nano{-1}, Nano{12'000'000'001}, Nano{-9'999'500'000'000}, Nano{largest})
            .text() == "0.000000000 0.000000001 -0.000000001 12.000000001 -9999.500000000 9223372036.854775807");
}

TEST_CASE("a binary copy writes times and dates from the beginning of telemetry's to their end") {
  Column times{"timestamptz"};
  times.transaction.exec("SET TIME ZONE 'UTC'");
  CHECK(times.copy(Timestamp{0}, Timestamp{946'684'799'999}, Timestamp{253'402'300'799'999}).text() ==
        "1970-01-01 00:00:00+00 1999-12-31 23:59:59.999+00 9999-12-31 23:59:59.999+00");
  CHECK(Column{"date"}.copy(Date{0}, Date{946'684'799'999}, Date{946'684'800'000}, Date{253'402'300'799'999}).text() ==
        "1970-01-01 1999-12-31 2000-01-01 9999-12-31");
}

TEST_CASE("a copy larger than the pieces it is sent in arrives whole, and one of nothing is none") {
  Column column{"text"};
  {
    BinaryCopy rows{column.transaction, "copied (v)"};
    for (int i = 0; i < 3'000; ++i) rows.add(std::string(1'000, static_cast<char>('a' + i % 26)));
    rows.complete();
  }
  column.copy();
  CHECK(column.transaction.query_value<int>("SELECT sum(length(v)) FROM copied") == 3'000'000);
}

TEST_CASE("a copy that fails says why, and a savepoint before it can be gone back to") {
  Column column{"int UNIQUE"};
  column.copy(std::int32_t{7});
  column.transaction.exec("SAVEPOINT before");
  CHECK_THROWS_AS(column.copy(std::int32_t{8}, std::int32_t{7}), pqxx::unique_violation);
  column.transaction.exec("ROLLBACK TO SAVEPOINT before");
  CHECK(column.text() == "7");
  try {
    column.copy(std::string_view{"not four bytes"});
    FAIL("text was taken for a number");
  } catch (pqxx::sql_error const& error) {
    CHECK(error.sqlstate().substr(0, 2) == "22");
    CHECK(classify_database_error(error) == DatabaseError::permanent);
  }
}

TEST_CASE("a copy that is given up writes nothing and leaves the connection fit for use") {
  Column column{"int"};
  column.transaction.exec("SAVEPOINT before");
  { BinaryCopy{column.transaction, "copied (v)"}.add(std::int32_t{1}); }
  CHECK_THROWS_AS(column.transaction.exec("SELECT 1"), pqxx::sql_error);
  column.transaction.exec("ROLLBACK TO SAVEPOINT before");
  CHECK(column.transaction.query_value<int>("SELECT count(*) FROM copied") == 0);
}

TEST_CASE("a copy on a connection that was cut is an outage") {
  Column column{"text"};
  auto const session = std::to_string(column.connection.backendpid());
  pqxx::connection admin{column.database.url()};
  pqxx::nontransaction{admin}.exec("SELECT pg_terminate_backend(" + session + ", 5000)");
  try {
    column.copy(std::string(3 << 20, 'x'));
    FAIL("nobody was there to take it");
  } catch (std::exception const& error) {
    CHECK(classify_database_error(error) == DatabaseError::outage);
  }
}
