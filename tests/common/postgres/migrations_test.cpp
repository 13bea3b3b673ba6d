#include "postgres/migrations.hpp"

#include <doctest/doctest.h>

using namespace omnibus::postgres;

TEST_CASE("a script is cut at the semicolons that end statements") {
  auto const statements = split_sql(R"(-- one; comment
CREATE TABLE a (x text DEFAULT ';', "y;" int);
/* a /* nested; */ comment; */
INSERT INTO a VALUES ('it''s; fine', 1), (E'\';', 2); ;
DO $body$ BEGIN PERFORM 1; END; $body$;
CREATE RULE r AS ON INSERT TO a DO ALSO (SELECT 1; SELECT 2);
SELECT $1
)");
  REQUIRE(statements.size() == 5);
  CHECK(statements[0] == SqlStatement{"CREATE TABLE a (x text DEFAULT ';', \"y;\" int)", 2});
  CHECK(statements[1] == SqlStatement{"INSERT INTO a VALUES ('it''s; fine', 1), (E'\\';', 2)", 4});
  CHECK(statements[2] == SqlStatement{"DO $body$ BEGIN PERFORM 1; END; $body$", 5});
  CHECK(statements[3].line == 6);
  CHECK(statements[4] == SqlStatement{"SELECT $1", 7});
}

TEST_CASE("the body of a function in standard SQL stays whole") {
  auto const statements = split_sql(R"(CREATE OR REPLACE FUNCTION f() RETURNS int
BEGIN ATOMIC
  SELECT CASE WHEN true THEN 1 ELSE 2 END;
  SELECT 3;
END;
BEGIN;
SELECT 4;)");
  REQUIRE(statements.size() == 3);
  CHECK(statements[0].text.ends_with("END"));
  CHECK(statements[2] == SqlStatement{"SELECT 4", 7});
}

TEST_CASE("a migration has an up block, and perhaps a down block, each in a transaction unless it says otherwise") {
  auto const migration = parse_migration("20260101_things.sql", R"(-- why
-- migrate:up transaction:false
CREATE INDEX CONCURRENTLY i ON t (x);
-- migrate:down
DROP INDEX i;
)");
  CHECK(migration.version == "20260101");
  CHECK_FALSE(migration.up.in_transaction);
  CHECK(migration.down.in_transaction);
  REQUIRE(migration.up.statements.size() == 1);
  CHECK(migration.up.statements[0].line == 3);
  REQUIRE(migration.down.statements.size() == 1);
  CHECK(migration.down.statements[0] == SqlStatement{"DROP INDEX i", 5});
}

TEST_CASE("a file that is no migration is refused, naming the line") {
  CHECK_THROWS_WITH_AS(parse_migration("1_a.sql", "-- migrate:down\n"), "1_a.sql: has no -- migrate:up",
                       MigrationError);
  CHECK_THROWS_WITH_AS(parse_migration("1_a.sql", "\nSELECT 1;\n-- migrate:up\n"),
                       "1_a.sql:2: a statement outside of -- migrate:up and down", MigrationError);
  CHECK_THROWS_WITH_AS(parse_migration("1_a.sql", "-- migrate:up\n\n-- migrate:up\n"),
                       "1_a.sql:3: a second block of the same direction", MigrationError);
}

TEST_CASE("every migration of ours can be undone") {
  auto const migrations = load_migrations(OMNIBUS_SOURCE_DIR "/migrations");
  CHECK(migrations.size() >= 10);
  for (auto const& migration : migrations) {
    CAPTURE(migration.file);
    CHECK_FALSE(migration.up.statements.empty());
    CHECK_FALSE(migration.down.statements.empty());
  }
}
