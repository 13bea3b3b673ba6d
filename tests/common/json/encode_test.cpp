#include "json/encode.hpp"

#include "json/decode.hpp"
#include "sample.hpp"

#include <cmath>
#include <limits>
#include <random>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::json_test;

namespace {

std::string quoted(std::string_view text) {
  std::string out;
  json::append_string(out, text);
  return out;
}

}  // namespace

TEST_CASE("a struct is written member by member, without absent optionals") {
  Sample value;
  value.text = "t";
  value.large = std::numeric_limits<std::int64_t>::min();
  value.number = 1.5;
  value.counts = {1, std::nullopt};
  value.items = {{"a", 2}};
  auto const text = json::encode(value);
  CHECK(json::decode<Sample>(text).has_value());
  CHECK(text.find("note") == std::string::npos);
  CHECK(text.find(R"("flag":false,"small":0,"large":-9223372036854775808,"number":1.5)") != std::string::npos);
  CHECK(text.find(R"("items":[{"name":"a","price":2}],"counts":[1,null]})") != std::string::npos);
}

TEST_CASE("strings are escaped so that they read back") {
  CHECK(quoted("plain") == R"("plain")");
  CHECK(quoted("a\"b\\c/\n\r\t\x01\x1f") == R"("a\"b\\c/\n\r\t\u0001\u001f")");
  CHECK(quoted("\xC3\xA9\xF0\x9F\x98\x80\x7f") == "\"\xC3\xA9\xF0\x9F\x98\x80\x7f\"");
}

TEST_CASE("what our decoder would refuse is replaced") {
  CHECK(quoted(std::string_view("a\0b", 3)) ==
        "\"a\xEF\xBF\xBD"
        "b\"");
  CHECK(quoted("a\xFF"
               "b\xE2\x82") ==
        "\"a\xEF\xBF\xBD"
        "b\xEF\xBF\xBD\xEF\xBF\xBD\"");
  CHECK(quoted("\xED\xA0\x80\xC3\xA9") == "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xC3\xA9\"");
  CHECK(json::decode<Text>(json::encode(Text{std::string("\0\xC0\x80", 3)})).has_value());
}

TEST_CASE("doubles read back as they were") {
  std::mt19937_64 random(7);
  for (int i = 0; i < 10'000; ++i) {
    auto const bits = random();
    Item item{"n", 0};
    std::memcpy(&item.price, &bits, sizeof bits);
    if (!std::isfinite(item.price)) continue;
    CHECK(json::decode<Item>(json::encode(item)).value().price == item.price);
  }
}

TEST_CASE("a double that JSON cannot write is refused") {
  CHECK_THROWS_AS(json::encode(Item{"n", std::numeric_limits<double>::infinity()}), std::invalid_argument);
  CHECK_THROWS_AS(json::encode(Item{"n", std::numeric_limits<double>::quiet_NaN()}), std::invalid_argument);
}

TEST_CASE("any bytes as text make a document that our decoder takes") {
  std::mt19937 random(7);
  for (int i = 0; i < 2'000; ++i) {
    std::string bytes(random() % 40, ' ');
    for (auto& byte : bytes) byte = static_cast<char>(random());
    CHECK(json::decode<Text>(json::encode(Text{bytes})).has_value());
  }
}
