// What an erasure keeps of the wish to get no reports by e-mail.
#include "tests/workers/gdpr/gdpr_tables.hpp"
#include "workers/gdpr/erasure/erasure_store.hpp"

#include <string>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::gdpr;
using omnibus::gdpr::test::GdprDatabase;

TEST_CASE("whoever ended reports by e-mail is suppressed when erased, under the id that the report worker looks for") {
  constexpr auto const* shop = "shop.example";
  GdprDatabase const database;
  PostgresErasure store{KeyMaker{"0123456789abcdef0123456789abcdef", ""}};
  auto const add_person = [&](std::string const& handle) {
    auto const id = random_uuid();
    database.execute("INSERT INTO users (id, domain, handle, status) VALUES ($1, $2, $3, 'APPROVED')",
                     pqxx::params{to_string(id), shop, handle});
    return id;
  };
  auto const ann = add_person("ann");
  auto const bob = add_person("bob");
  database.execute("INSERT INTO omniscient_report_unsubscriptions (user_id, domain) VALUES ($1, $2)",
                   pqxx::params{to_string(ann), shop});
  for (auto const& person : {ann, bob}) {
    pqxx::connection connection{database.url_as("gdpr")};
    auto const found = store.find_over(connection, shop, {alias_text(person)});
    CHECK(found.opt_outs.empty() == (person == bob));
    database.in_unit([&](UnitOfWork& unit) { store.suppress(unit, shop, found.opt_outs); });
  }
  auto const suppressed = [&](Uuid const& person) {
    return database.value("SELECT count(*) FROM suppressions WHERE channel = 'email' AND subject_key = replace('" +
                          to_string(person) + "', '-', '')");
  };
  CHECK(suppressed(ann) == "1");
  CHECK(suppressed(bob) == "0");
}
