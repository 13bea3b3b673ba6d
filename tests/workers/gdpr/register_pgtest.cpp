// schemas/erased.yaml against the database: no table, column or foreign key without an answer to what becomes of it.
#include "tests/workers/gdpr/gdpr_tables.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

using namespace omnibus;
using omnibus::gdpr::test::GdprDatabase;

namespace {

constexpr char const* columns_query =
    "SELECT CASE n.nspname WHEN 'public' THEN '' ELSE n.nspname || '.' END || c.relname, a.attname FROM pg_class c "
    "JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT "
    "a.attisdropped WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname !~ '^pg_' AND n.nspname <> "
    "'information_schema'";
constexpr char const* keys_query =
    "SELECT CASE n.nspname WHEN 'public' THEN '' ELSE n.nspname || '.' END || c.relname, CASE m.nspname WHEN 'public' "
    "THEN '' ELSE m.nspname || '.' END || r.relname, k.confdeltype::text, (SELECT string_agg(a.attname, ',' ORDER BY "
    "a.attnum) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY (k.conkey)) FROM pg_constraint k JOIN "
    "pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_class r ON r.oid = "
    "k.confrelid JOIN pg_namespace m ON m.oid = r.relnamespace WHERE k.contype = 'f'";

struct ErasedRegister {
  YAML::Node file = YAML::LoadFile(OMNIBUS_SOURCE_DIR "/schemas/erased.yaml");
  GdprDatabase database;

  /// What has no entry, or an entry and no column.
  std::vector<std::string> problems() const {
    std::vector<std::string> found;
    auto entries = registered(found);
    pqxx::connection connection{database.url()};
    pqxx::nontransaction query{connection};
    for (auto const& [table, column] : query.exec(columns_query).iter<std::string, std::string>())
      if (entries[table].erase(column) == 0) found.push_back(fmt::format("{}.{} has no entry", table, column));
    for (auto const& [table, columns] : entries)
      for (auto const& column : columns) found.push_back(fmt::format("{}.{} is not in the database", table, column));
    return found;
  }
  /// Foreign keys to rows that go, which would stop them from going.
  std::vector<std::string> blocking_keys() const {
    std::set<std::string> going;
    for (auto const& each : file["tables"])
      if (each.second["deleted"] || each.second["cascade"]) going.insert(each.first.as<std::string>());
    std::vector<std::string> found;
    pqxx::connection connection{database.url()};
    pqxx::nontransaction query{connection};
    for (auto const& [table, target, action, columns] :
         query.exec(keys_query).iter<std::string, std::string, std::string, std::string>()) {
      if (!going.contains(target)) continue;
      auto const name = fmt::format("{}({})", table, columns);
      if (action == "c" && !going.contains(table)) found.push_back(name + " deletes rows that the register keeps");
      if (action != "c" && action != "n" && !file["foreign_keys"][name]) found.push_back(name + " stops an erasure");
    }
    return found;
  }

 private:
  std::map<std::string, std::set<std::string>> registered(std::vector<std::string>& problems) const {
    std::map<std::string, std::set<std::string>> entries;
    for (auto const& each : file["tables"]) {
      auto const table = each.first.as<std::string>();
      for (auto const* kind : {"deleted", "cascade", "blanked", "kept"})
        for (auto const& column : each.second[kind])
          if (!entries[table].insert(column.as<std::string>()).second)
            problems.push_back(fmt::format("{}.{} has two entries", table, column.as<std::string>()));
      if (each.second["kept"] && !each.second["because"]) problems.push_back(table + " is kept without a reason");
    }
    return entries;
  }
};

using Problems = std::vector<std::string>;

}  // namespace

TEST_CASE_FIXTURE(ErasedRegister, "the register of erasure has every table and column") {
  CHECK(fmt::format("{}", fmt::join(problems(), "\n")) == "");
}

TEST_CASE_FIXTURE(ErasedRegister, "a table or a column without an entry is named") {
  database.execute("CREATE TABLE notes (id uuid PRIMARY KEY)");
  database.execute("ALTER TABLE profiles ADD COLUMN nickname text");
  auto found = problems();
  std::sort(found.begin(), found.end());
  CHECK(found == Problems{"notes.id has no entry", "profiles.nickname has no entry"});
}

TEST_CASE_FIXTURE(ErasedRegister, "no foreign key stops an erasure") {
  CHECK(blocking_keys() == Problems{});
}

TEST_CASE_FIXTURE(ErasedRegister, "a foreign key that stops an erasure is named") {
  database.execute(
      "CREATE TABLE notes (profile_id uuid REFERENCES profiles, message_id uuid REFERENCES messages ON "
      "DELETE CASCADE, user_id uuid REFERENCES users ON DELETE SET NULL)");
  auto found = blocking_keys();
  std::sort(found.begin(), found.end());
  CHECK(found ==
        Problems{"notes(message_id) deletes rows that the register keeps", "notes(profile_id) stops an erasure"});
}

TEST_CASE_FIXTURE(ErasedRegister, "the worker may delete and blank what the register says, and not write elsewhere") {
  for (auto const* forbidden :
       {"UPDATE tenants SET status = 'suspended'", "DELETE FROM api_tokens", "UPDATE principals SET name = 'x'",
        "INSERT INTO profiles (domain, phone_number) VALUES ('shop.example', '+250788000001')",
        "UPDATE profiles SET phone_number = '+250788000001'", "DELETE FROM suppressions", "DELETE FROM legal_holds",
        "UPDATE gdpr_audit_log SET action = 'x'", "DELETE FROM gdpr_requests", "DELETE FROM pipeline.erasures",
        "UPDATE pipeline.erasures SET positions = '{}'", "DELETE FROM pipeline.delivery", "DELETE FROM pipeline.inbox",
        "UPDATE pipeline.delivery SET cost = 0", "DELETE FROM chat_telemetry"}) {
    CAPTURE(forbidden);
    CHECK_THROWS_AS(database.in_unit([&](UnitOfWork& unit) { unit.transaction().exec(forbidden); }),
                    pqxx::insufficient_privilege);
  }
}
