#include "workers/cli/delivery/sms_price.hpp"

#include <stdexcept>

#include <doctest/doctest.h>

using namespace omnibus::cli;

TEST_CASE("a price is read exactly and multiplied exactly") {
  CHECK(to_string(read_price("0.0085") * 3) == "0.0255");
  CHECK(to_string(read_price("12") * 2) == "24");
  CHECK(to_string(read_price("0.1") * 3) == "0.3");
  CHECK(to_string(read_price("999999.999999") * 255) == "254999999.999745");
  CHECK(to_string(read_price("0")) == "0");
}

TEST_CASE("what is no amount is refused") {
  for (auto const* text : {"", ".", "1.", ".5", "-1", "+1", "1e3", "0.0000001", "1000000", "1,5", "1.2.3", " 1"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(read_price(text), std::invalid_argument);
  }
}
