// Requests of operators, checked against a migrated database as the gateway's role.
#include "matches/requests.hpp"
#include "tests/workers/outcome/match_tables.hpp"

#include <string>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::matches;
using omnibus::outcome::test::MatchDatabase;

namespace {

struct TwoPeople {
  TwoPeople() {
    database.execute("UPDATE users SET deep_analysis_consent_at = now()");
    database.execute("INSERT INTO personal_stories (user_id, narrative) SELECT id, 'A story.' FROM users");
  }

  /// Why an operator's request to match the two is refused; empty when it is not.
  std::string refusal() const {
    pqxx::connection connection{database.url_as("gateway")};
    pqxx::work transaction{connection};
    transaction.exec(
        "SELECT set_config('app.tenant', 'shop.example', true), set_config('app.role', 'operator', true), "
        "set_config('app.principal', gen_random_uuid()::text, true)");
    try {
      plan_manual_match(transaction, ann, bob, std::nullopt);
    } catch (InvalidRequest const& request) {
      CHECK((request.kind == InvalidRequest::Kind::state));
      return request.reason;
    }
    return {};
  }

  MatchDatabase database;
  Uuid ann = database.add_person("ann");
  Uuid bob = database.add_person("bob");
};

}  // namespace

TEST_CASE("two people of whom one blocks the other are not matched by hand, whoever blocks whom") {
  TwoPeople const people;
  CHECK(people.refusal().empty());
  for (auto const& [one, other] : {std::pair{people.ann, people.bob}, {people.bob, people.ann}}) {
    people.database.execute("INSERT INTO omniscient_blocks VALUES ($1, $2)",
                            pqxx::params{to_string(one), to_string(other)});
    CHECK(people.refusal() == "not_eligible");
    people.database.execute("DELETE FROM omniscient_blocks");
  }
  CHECK(people.refusal().empty());
}
