#include "workers/cli/commands.hpp"
#include "workers/cli/matching/matching.hpp"

#include <sstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace omnibus::cli;

namespace {

struct Outcome {
  int status;
  std::string out, err;
};

/// Runs the tool; no database is at that address.
Outcome run_tool(std::vector<char const*> arguments) {
  arguments.insert(arguments.begin(), "omnibus");
  std::ostringstream out, err;
  auto const status = run(static_cast<int>(arguments.size()), arguments.data(), out, err);
  return {status, out.str(), err.str()};
}

}  // namespace

TEST_CASE("every command about matches has help") {
  for (auto const& command : std::vector<std::vector<char const*>>{{"people", "ls"},
                                                                   {"people", "show"},
                                                                   {"people", "import"},
                                                                   {"match", "ls"},
                                                                   {"match", "show"},
                                                                   {"match", "analyze"},
                                                                   {"match", "manual"},
                                                                   {"match", "override"},
                                                                   {"match", "midnight"},
                                                                   {"agent-conversation", "ls"},
                                                                   {"agent-conversation", "show"},
                                                                   {"agent-conversation", "run"},
                                                                   {"agent-conversation", "tail"},
                                                                   {"outcome", "ls"},
                                                                   {"outcome", "analyze"},
                                                                   {"outcome", "track"},
                                                                   {"report", "ls"},
                                                                   {"report", "show"},
                                                                   {"report", "request"},
                                                                   {"analytics"},
                                                                   {"health"},
                                                                   {"logs"}}) {
    auto arguments = command;
    arguments.push_back("--help");
    auto const ended = run_tool(arguments);
    CAPTURE(command.back());
    CHECK(ended.status == 0);
    CHECK(ended.out.find("--json") != std::string::npos);
    CHECK(ended.out.find("--database") != std::string::npos);
  }
}

TEST_CASE("a wrong option or a missing argument is a usage error") {
  for (auto const& arguments :
       std::vector<std::vector<char const*>>{{"people"},
                                             {"people", "show"},
                                             {"people", "import"},
                                             {"people", "ls", "--status", "FRIEND"},
                                             {"match", "manual", "a"},
                                             {"match", "analyze", "--batch-size", "0"},
                                             {"match", "analyze", "--batch-size", "5001"},
                                             {"match", "ls", "--min-score", "2"},
                                             {"match", "ls", "--min-score", "nan"},
                                             {"match", "ls", "--min-score", "-nan"},
                                             {"match", "ls", "--min-score", "0.5x"},
                                             {"match", "ls", "--limit", "0"},
                                             {"report", "request", "--date", "nonsense"},
                                             {"report", "request", "--date", "2026-02-30"},
                                             {"report", "ls", "--date", "today"},
                                             {"agent-conversation", "ls", "--status", "pending"},
                                             {"report", "request", "--when", "now"},
                                             {"logs", "--status", "odd"}}) {
    auto const ended = run_tool(arguments);
    CAPTURE(ended.err);
    CHECK(ended.status == 64);
    CHECK_FALSE(ended.err.empty());
  }
}

TEST_CASE("health without a database that can be reached is a condition that holds; without any it is an error") {
  for (auto const* const form : {"--json", "--domain=shop.example"})
    CHECK(run_tool({"health", "--database", "postgresql://127.0.0.1:1/none", form}).status == 2);
  CHECK(run_tool({"match", "ls", "--database", "postgresql://127.0.0.1:1/none"}).status == 1);
  CHECK(run_tool({"health", "--database", ""}).status == 1);
}

TEST_CASE("an id that is none is refused before the database is asked") {
  for (auto const& arguments : std::vector<std::vector<char const*>>{{"people", "show", "ann"},
                                                                     {"match", "show", "1"},
                                                                     {"match", "manual", "ann", "bob"},
                                                                     {"agent-conversation", "tail", "x"},
                                                                     {"agent-conversation", "run", "x"},
                                                                     {"outcome", "analyze", "x"},
                                                                     {"outcome", "track", "x"},
                                                                     {"report", "show", "x"}}) {
    auto const ended = run_tool(arguments);
    CHECK(ended.status == 1);
    CHECK(ended.err.find("must be a UUID") != std::string::npos);
  }
  CHECK(run_tool({"people", "import", "/no/such/file"}).err.find("cannot open /no/such/file") != std::string::npos);
  auto const at_a_date =
      run_tool({"match", "midnight", "--at", "2026-11-20", "--database", "postgresql://127.0.0.1:1/x"});
  CHECK(at_a_date.err.find("--at") == std::string::npos);  // it gets as far as the database
  CHECK(run_tool({"match", "midnight", "--at", "tonight"}).err.find("--at must be a time") != std::string::npos);
}
