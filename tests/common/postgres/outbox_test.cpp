#include "postgres/outbox.hpp"

#include <stdexcept>

#include <doctest/doctest.h>

using omnibus::kafka::Header;
using omnibus::postgres::decode_headers;
using omnibus::postgres::encode_headers;

TEST_CASE("headers come back byte for byte: absent, empty and binary values, repeats and order") {
  std::vector<Header> const headers{{"ce_id", "1"}, {"absent", std::nullopt},
                                    {"empty", ""},  {"binary", std::string{"\0\xff\n'\\", 5}},
                                    {"ce_id", "2"}, {"", "nameless"}};
  CHECK(decode_headers(encode_headers(headers)) == headers);
  CHECK(decode_headers(encode_headers({})).empty());
}

TEST_CASE("bytes that are not headers are refused") {
  auto const whole = encode_headers({{"name", "value"}});
  for (std::size_t size = 1; size < whole.size(); ++size) {
    CHECK_THROWS_AS(decode_headers(whole.substr(0, size)), std::invalid_argument);
  }
  CHECK_THROWS_AS(decode_headers(whole + "x"), std::invalid_argument);
}
