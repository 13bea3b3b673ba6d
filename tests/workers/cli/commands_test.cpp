#include "workers/cli/commands.hpp"

#include <initializer_list>
#include <sstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace omnibus::cli;

namespace {

struct Ended {
  int status;
  std::string out, err;
};

Ended tool(std::initializer_list<char const*> arguments) {
  std::vector<char const*> argv{"omnibus"};
  argv.insert(argv.end(), arguments);
  std::ostringstream out, err;
  auto const status = run(static_cast<int>(argv.size()), argv.data(), out, err);
  return {status, out.str(), err.str()};
}

}  // namespace

TEST_CASE("--version says the name and the version, as the workers do") {
  auto const ended = tool({"--version"});
  CHECK(ended.status == 0);
  CHECK(ended.out == "omnibus 0.1.0\n");
  CHECK(tool({"--help"}).out.find("--version") != std::string::npos);
}

TEST_CASE("what is no command is a usage error") {
  for (auto const* argument : {"--versions", "nonsense"}) {
    auto const ended = tool({argument});
    CHECK(ended.status == 64);
    CHECK(ended.out.empty());
    CHECK_FALSE(ended.err.empty());
  }
  CHECK(tool({}).status == 64);
}

TEST_CASE("a word that is no command is named, with the commands there are") {
  auto const schedule = tool({"schedule", "foo"});
  CHECK(schedule.status == 64);
  CHECK(schedule.err.starts_with("omnibus schedule: there is no command foo; there are ls, run, enable, disable"));
  CHECK(tool({"nonsense", "schedule"}).err.find("omnibus: there is no command nonsense") == 0);
  for (auto const* command : {"topics", "migrate", "tenant", "token", "dlq", "sms", "delivery"}) {
    CAPTURE(command);
    auto const ended = tool({command, "foo", "bar"});
    CHECK(ended.status == 64);
    CHECK(ended.err.find(" foo; there are ") != std::string::npos);
  }
  CHECK(tool({"schedule", "f\x1b[31m"}).err.find('\x1b') == std::string::npos);
  CHECK(tool({"schedule"}).err.find("subcommand is required") != std::string::npos);
  CHECK(tool({"schedule", "run"}).err.find("name is required") != std::string::npos);
}
