#include "database_fixture.hpp"
#include "postgres/migrations.hpp"

#include <array>
#include <cstdio>
#include <future>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::postgres;

namespace {

std::vector<Migration> ours() {
  return load_migrations(default_migrations_folder());
}

std::string dump(std::string const& url) {
  auto* pipe =
      popen(("pg_dump --schema-only --restrict-key=x '" + url + "' 2>/dev/null || pg_dump --schema-only '" + url + "'")
                .c_str(),
            "r");
  std::string result;
  std::array<char, 4096> chunk{};
  while (auto const size = std::fread(chunk.data(), 1, chunk.size(), pipe)) result.append(chunk.data(), size);
  REQUIRE(pclose(pipe) == 0);
  return result;
}

std::vector<Migration> two() {
  return {parse_migration("1_a.sql", "-- migrate:up\nCREATE TABLE a (x int);\n-- migrate:down\nDROP TABLE a;\n"),
          parse_migration("2_b.sql", "-- migrate:up\nCREATE TABLE b (x int);\n-- migrate:down\nDROP TABLE b;\n")};
}

bool has_table(pqxx::connection& connection, std::string const& name) {
  return pqxx::nontransaction{connection}.query_value<bool>("SELECT to_regclass('" + name + "') IS NOT NULL");
}

std::vector<MigrationState> states(Migrator& migrator) {
  std::vector<MigrationState> result;
  for (auto const& entry : migrator.status()) result.push_back(entry.state);
  return result;
}

}  // namespace

TEST_CASE("down undoes what up did, and up again leaves the same schema") {
  test::EmptyDatabase database;
  test::TestDatabase keeps_the_roles;
  pqxx::connection connection{database.url()};
  Migrator migrator{connection, ours()};
  auto const total = ours().size();
  CHECK(migrator.up() == total);
  auto const first = dump(database.url());
  CHECK(migrator.down(total) == total);
  CHECK(
      pqxx::nontransaction{connection}.query_value<int>(
          "SELECT count(*) FROM pg_class WHERE relnamespace::regnamespace::text IN ('public', 'pipeline') AND relkind "
          "IN ('r', 'S', 'v', 'p')") == 2);
  CHECK(migrator.up() == total);
  CHECK(dump(database.url()) == first);
  // Each one by itself can be undone and done again, too.
  for (std::size_t i = 1; i <= total; ++i) {
    CHECK(migrator.down(i) == i);
    CHECK(migrator.up() == i);
  }
  CHECK(dump(database.url()) == first);
  CHECK(migrator.up() == 0);
}

TEST_CASE("status tells what is applied, pending, changed and missing") {
  test::EmptyDatabase database;
  pqxx::connection connection{database.url()};
  Migrator migrator{connection, two()};
  CHECK(states(migrator) == std::vector{MigrationState::pending, MigrationState::pending});
  migrator.up();
  migrator.down(1);
  CHECK(states(migrator) == std::vector{MigrationState::applied, MigrationState::pending});

  auto changed = two();
  changed[0] = parse_migration("1_a.sql", "-- migrate:up\nCREATE TABLE a (y int);\n");
  Migrator later{connection, changed};
  CHECK(states(later) == std::vector{MigrationState::changed, MigrationState::pending});
  CHECK_THROWS_WITH_AS(
      later.up(), "1_a.sql was changed after it had been applied: restore it, and put the change into a new migration",
      MigrationError);
  CHECK_FALSE(has_table(connection, "b"));

  Migrator without{connection, {}};
  CHECK(states(without) == std::vector{MigrationState::missing});
  CHECK_THROWS_AS(without.down(1), MigrationError);
}

TEST_CASE("a migration that fails names its file and line, and leaves nothing of itself") {
  test::EmptyDatabase database;
  pqxx::connection connection{database.url()};
  auto migrations = two();
  migrations[1] =
      parse_migration("2_b.sql", "-- migrate:up\nCREATE TABLE b (x int);\n\nSELECT 1,\n  nothing\nFROM b;\n");
  Migrator migrator{connection, migrations};
  try {
    migrator.up();
    FAIL("succeeded");
  } catch (MigrationError const& error) {
    std::string const message = error.what();
    CAPTURE(message);
    CHECK(message.starts_with("2_b.sql:5: "));
    CHECK(message.find("\"nothing\" does not exist") != std::string::npos);
  }
  CHECK(has_table(connection, "a"));
  CHECK_FALSE(has_table(connection, "b"));
  CHECK(states(migrator) == std::vector{MigrationState::applied, MigrationState::pending});
}

TEST_CASE("a block may do what no transaction can") {
  test::EmptyDatabase database;
  pqxx::connection connection{database.url()};
  auto migrations = two();
  migrations.push_back(parse_migration("3_c.sql",
                                       "-- migrate:up transaction:false\nCREATE INDEX CONCURRENTLY i ON a (x);\nCREATE "
                                       "INDEX CONCURRENTLY j ON a (x);\n-- migrate:down transaction:false\nDROP INDEX "
                                       "CONCURRENTLY i;\nDROP INDEX CONCURRENTLY j;\n"));
  Migrator migrator{connection, migrations};
  CHECK(migrator.up() == 3);
  CHECK(has_table(connection, "j"));
  CHECK(migrator.down(1) == 1);
  CHECK_FALSE(has_table(connection, "i"));
}

TEST_CASE("two migrators at once apply each migration once") {
  test::EmptyDatabase database;
  test::TestDatabase keeps_the_roles;
  auto const migrate = [&] {
    pqxx::connection connection{database.url()};
    return Migrator{connection, ours()}.up();
  };
  auto other = std::async(std::launch::async, migrate);
  auto const applied = migrate();
  CHECK(applied + other.get() == ours().size());
}

TEST_CASE("what dbmate applied counts as applied, and is watched for changes from then on") {
  test::EmptyDatabase database;
  pqxx::connection connection{database.url()};
  {
    pqxx::nontransaction dbmate{connection};
    dbmate.exec("CREATE TABLE schema_migrations (version character varying(128) NOT NULL PRIMARY KEY)");
    dbmate.exec("CREATE TABLE a (x int); INSERT INTO schema_migrations VALUES ('1')");
  }
  CHECK(Migrator{connection, two()}.up() == 1);
  auto changed = two();
  changed[0].sha256 = "another";
  CHECK_THROWS_AS((Migrator{connection, changed}.up()), MigrationError);
}
