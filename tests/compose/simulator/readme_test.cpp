#include "compose/simulator/oddities/oddity.hpp"

#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include <doctest/doctest.h>

namespace omnibus::simulator {

TEST_CASE("the README has the table of oddities, as --oddity list prints it") {
  std::ifstream file(OMNIBUS_SOURCE_DIR "/compose/simulator/README.md");
  std::string const text{std::istreambuf_iterator<char>(file), {}};
  CHECK_MESSAGE(text.ends_with(oddities_as_markdown()),
                "put the output of `omnibus simulate --oddity list` at its end");
}

TEST_CASE("oddities have names of their own, which options and headers can carry") {
  std::set<std::string_view> names;
  for (auto const& way : oddities()) {
    CHECK_MESSAGE(names.insert(way.name).second, way.name);
    CHECK_MESSAGE(way.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string_view::npos,
                  way.name);
    CHECK_MESSAGE(&find_oddity(way.name) == &way, way.name);
    CHECK_MESSAGE(way.what.size() <= 100, way.name);
  }
}

}  // namespace omnibus::simulator
