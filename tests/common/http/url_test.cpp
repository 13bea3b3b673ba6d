#include "http/url.hpp"

#include <doctest/doctest.h>

namespace omnibus::http {

TEST_CASE("an address is taken apart") {
  auto const url = parse_url("HTTPS://api.example.com/v1/x?y=z#part").value();
  CHECK(url.secure);
  CHECK(url.host == "api.example.com");
  CHECK(url.port == 443);
  CHECK(url.target == "/v1/x?y=z");
  CHECK(url.authority() == "api.example.com");
  auto const local = parse_url("http://[::1]:8080").value();
  CHECK(local.host == "::1");
  CHECK(local.target == "/");
  CHECK(local.authority() == "[::1]:8080");
  CHECK(parse_url("http://a%0d%0ab/")->host == "a%0d%0ab");
  CHECK(parse_url("http://a?b")->target == "/?b");
}

TEST_CASE("what is not an absolute http address is refused") {
  for (auto const* text : {"", "example.com", "ftp://a/", "http://", "http://a:b/", "http://a:0/", "http://a:70000/",
                           "http://user@a/", "http://a b/", "http://a/\r\nX: y", "http://[::1", "http://[::1]x/",
                           "http://a:/", "http:///x", "http://[::1]@a/", "http://a%zz/", "http://a/\xff"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_url(text));
  }
}

}  // namespace omnibus::http
