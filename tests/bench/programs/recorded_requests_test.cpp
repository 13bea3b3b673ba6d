#include "recorded_requests.hpp"

#include <sstream>

#include <doctest/doctest.h>

using namespace omnibus::bench;

TEST_CASE("recorded requests are read as chains, which empty lines part") {
  std::istringstream lines{"\n{\"a\":1}\n{\"a\":2}\n\n\n{\"b\":1}\n"};
  CHECK(read_chains(lines) == std::vector<RequestChain>{{"{\"a\":1}", "{\"a\":2}"}, {"{\"b\":1}"}});
  std::istringstream empty;
  CHECK(read_chains(empty).empty());
}
