#include "postgres/errors.hpp"

#include "postgres/pool.hpp"

#include <doctest/doctest.h>
#include <pqxx/except>

using omnibus::classify_database_error;
using omnibus::DatabaseError;
using omnibus::postgres::classify_sqlstate;

TEST_CASE("an SQLSTATE says whether to wait, to try again or to give up") {
  for (auto const* state : {"08006", "08001", "53300", "53100", "57P01", "57P03", "58030", "25006", "55P03", "28P01",
                            "42501", "42P01", "42703", "42883"}) {
    CAPTURE(state);
    CHECK(classify_sqlstate(state) == DatabaseError::outage);
  }
  for (auto const* state : {"40001", "40P01", "57014", "25P03"}) {
    CAPTURE(state);
    CHECK(classify_sqlstate(state) == DatabaseError::transient);
  }
  for (auto const* state : {"23505", "42601", "22P02", "", "08"}) {
    CAPTURE(state);
    CHECK(classify_sqlstate(state) == DatabaseError::permanent);
  }
}

TEST_CASE("libpqxx's exceptions are sorted by what they mean") {
  CHECK(classify_database_error(pqxx::broken_connection{"gone"}) == DatabaseError::outage);
  CHECK(classify_database_error(pqxx::too_many_connections{"full"}) == DatabaseError::outage);
  CHECK(classify_database_error(pqxx::disk_full{"full", "q", "53100"}) == DatabaseError::outage);
  // As libpqxx throws it, without its SQLSTATE.
  CHECK(classify_database_error(pqxx::insufficient_privilege{"ERROR:  permission denied for table t", "q"}) ==
        DatabaseError::outage);
  CHECK(classify_database_error(pqxx::insufficient_privilege{
            "ERROR:  new row violates row-level security policy for table \"t\"", "q"}) == DatabaseError::permanent);
  CHECK(classify_database_error(pqxx::in_doubt_error{"?"}) == DatabaseError::in_doubt);
  CHECK(classify_database_error(pqxx::deadlock_detected{"x", "q", "40P01"}) == DatabaseError::transient);
  CHECK(classify_database_error(pqxx::serialization_failure{"x", "q", "40001"}) == DatabaseError::transient);
  CHECK(classify_database_error(pqxx::unique_violation{"x", "q", "23505"}) == DatabaseError::permanent);
  CHECK(classify_database_error(omnibus::postgres::PoolUnavailable{"x"}) == DatabaseError::transient);
  CHECK(classify_database_error(std::runtime_error{"x"}) == DatabaseError::permanent);
}
