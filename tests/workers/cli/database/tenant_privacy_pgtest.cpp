// A tenant's privacy preferences, as an operator sets them, in a migrated database.
#include "tests/common/postgres/database_fixture.hpp"
#include "workers/cli/commands.hpp"

#include <sstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <pqxx/pqxx>

using namespace omnibus;
using namespace omnibus::cli;

TEST_CASE("a preference that is not given stays as it is") {
  omnibus::test::TestDatabase database;
  database.add_tenant("shop.example");
  auto const set = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"omnibus", "tenant", "privacy", "shop.example"});
    arguments.insert(arguments.end(), {"--database", database.url()});
    std::vector<char const*> words;
    words.reserve(arguments.size());
    for (auto const& argument : arguments) words.push_back(argument.c_str());
    std::ostringstream out, err;
    REQUIRE(run(static_cast<int>(words.size()), words.data(), out, err) == 0);
    pqxx::connection connection{database.url()};
    return pqxx::nontransaction{connection}.query_value<std::string>(
        "SELECT concat_ws(' ', consent_required, retention_days, log) FROM privacy_preferences('shop.example')");
  };
  CHECK(set({}) == "f 365 clear");
  CHECK(set({"--consent-required"}) == "t 365 clear");
  CHECK(set({"--log", "sealed"}) == "t 365 sealed");
  CHECK(set({"--retention-days", "30"}) == "t 30 sealed");
  CHECK(set({}) == "t 30 sealed");
  CHECK(set({"--no-consent-required"}) == "f 30 sealed");
}
