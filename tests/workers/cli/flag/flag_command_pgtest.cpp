#include "tests/common/postgres/database_fixture.hpp"
#include "workers/cli/commands.hpp"

#include <sstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <pqxx/pqxx>

using namespace omnibus;
using namespace omnibus::cli;

namespace {

struct FlagCommand {
  FlagCommand() { database.add_tenant("shop.example"); }

  /// Ends with the tool's status.
  int run_tool(std::string_view role, std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"omnibus", "flag"});
    arguments.insert(arguments.end(), {"--database", database.url_as(role)});
    std::vector<char const*> words;
    words.reserve(arguments.size());
    for (auto const& argument : arguments) words.push_back(argument.c_str());
    std::ostringstream out;
    error = {};
    return run(static_cast<int>(words.size()), words.data(), out, error);
  }
  int set(std::vector<std::string> arguments, std::string_view role = "operator") {
    arguments.insert(arguments.begin(), {"set", "shop.example", "omniscient_matching"});
    return run_tool(role, std::move(arguments));
  }
  std::string row() {
    return pqxx::nontransaction{owner}.query_value<std::string>(
        "SELECT COALESCE(string_agg(concat_ws(' ', domain, name, enabled, percent, subjects), ', '), 'none') FROM "
        "feature_flags");
  }

  omnibus::test::TestDatabase database;
  pqxx::connection owner{database.url()};
  std::ostringstream error;
};

}  // namespace

TEST_CASE_FIXTURE(FlagCommand, "a flag is set bit by bit, and listed") {
  CHECK(set({"--percent", "10"}) == 0);
  CHECK(row() == "shop.example omniscient_matching t 10.00 {}");
  CHECK(set({"--subject", "a:b", "--subject", "a:c"}) == 0);
  CHECK(set({"--off"}) == 0);
  CHECK(row() == "shop.example omniscient_matching f 10.00 {a:b,a:c}");
  CHECK(set({"--on", "--percent", "12.34", "--no-subjects"}) == 0);
  CHECK(row() == "shop.example omniscient_matching t 12.34 {}");
  CHECK(set({}) == 0);
  CHECK(row() == "shop.example omniscient_matching t 12.34 {}");
  CHECK(run_tool("readonly", {"ls"}) == 0);
  CHECK(run_tool("readonly", {"ls", "--json"}) == 0);
}

TEST_CASE_FIXTURE(FlagCommand, "what cannot be set is refused with what to do, and changes nothing") {
  for (auto const* percent : {"-1", "100.1", "12.345", "ten"}) CHECK(set({"--percent", percent}) == 64);
  CHECK(set({"--subject", "a:b", "--no-subjects"}) == 64);
  CHECK(set({"--percent", "1", "--enabled"}) == 64);
  CHECK(run_tool("operator", {"set", "shop.example", "omniscient_machting"}) == 64);
  CHECK(run_tool("operator", {"set", "nowhere.example", "omniscient_matching"}) == 1);
  CHECK(error.str().find("there is no tenant nowhere.example") != std::string::npos);
  CHECK(set({"--percent", "10"}, "readonly") == 1);
  CHECK(error.str().find("OPERATOR_DATABASE_URL") != std::string::npos);
  CHECK(row() == "none");
}
