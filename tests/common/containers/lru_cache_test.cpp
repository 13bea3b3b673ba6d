#include "containers/lru_cache.hpp"

#include <memory>
#include <string>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace std::chrono_literals;

namespace {

using Names = LruCache<int, std::string>;
Names::Clock::time_point const start{1h};

}  // namespace

TEST_CASE("a value is found until its time to live is over") {
  Names names(10, 5s);
  CHECK(names.find(1, start) == nullptr);
  names.put(1, "one", start);
  REQUIRE(names.find(1, start + 4999ms) != nullptr);
  CHECK(*names.find(1, start + 4999ms) == "one");
  CHECK(names.find(1, start + 5s) == nullptr);
  CHECK(names.size() == 0);
}

TEST_CASE("a full cache forgets what was not used the longest, whether written or read") {
  Names names(3, 5s);
  names.put(1, "one", start);
  names.put(2, "two", start);
  names.put(3, "three", start);
  CHECK(names.find(1, start) != nullptr);
  names.put(2, "zwei", start);
  names.put(4, "four", start);
  CHECK(names.size() == 3);
  CHECK(names.find(3, start) == nullptr);
  CHECK(*names.find(1, start) == "one");
  CHECK(*names.find(2, start) == "zwei");
}

TEST_CASE("a value that is put again lives anew, one that is changed in place does not") {
  Names names(10, 5s);
  names.put(1, "one", start);
  names.put(2, "two", start);
  names.put(1, "eins", start + 3s);
  *names.find(2, start + 3s) = "zwei";
  CHECK(*names.find(1, start + 7s) == "eins");
  CHECK(names.find(2, start + 7s) == nullptr);
}

TEST_CASE("a capacity of nothing holds one") {
  LruCache<int, std::unique_ptr<int>> numbers(0, 5s);
  numbers.put(1, std::make_unique<int>(1), start);
  numbers.put(2, std::make_unique<int>(2), start);
  CHECK(numbers.size() == 1);
  CHECK(**numbers.find(2, start) == 2);
}
