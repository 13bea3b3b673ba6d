#include "http/form.hpp"

#include "http/message.hpp"

#include <doctest/doctest.h>

namespace omnibus::http {

TEST_CASE("a form reads back as it was written") {
  std::string text = "/path?";
  append_form(text, "a b", "c&d=e+f%/\xc3\xa9");
  append_form(text, "empty", "");
  CHECK(text == "/path?a%20b=c%26d%3De%2Bf%25%2F%C3%A9&empty=");
  CHECK(read_form(text.substr(6)) == Form{{"a b", "c&d=e+f%/\xc3\xa9"}, {"empty", ""}});
  CHECK(read_form("a+b&&=c") == Form{{"a b", ""}, {"", ""}, {"", "c"}});
}

TEST_CASE("a malformed escape and one that stands for NUL are refused") {
  for (auto const* text : {"%", "a%2", "%zz", "%+1", "%00", "%%20", "a%00b"}) {
    CAPTURE(text);
    CHECK_FALSE(percent_decode(text));
    CHECK_FALSE(read_form(text));
  }
  CHECK(percent_decode("%2500+") == "%00+");
}

TEST_CASE("a request's target is taken apart, whatever is not encoded in its query") {
  Request request;
  request.target = "/a%2Fb?x[]={|}&&y=\"+z";
  REQUIRE(parse_target(request));
  CHECK(request.path == "/a/b");
  CHECK(request.query == Form{{"x[]", "{|}"}, {"y", "\" z"}});
  request.target = "HTTP://host.example?a=1";
  REQUIRE(parse_target(request));
  CHECK(request.target == "/?a=1");
  for (auto const* target : {"", "a", "?a", "/%", "/%00", "/?a=%2", "//a/../%zz"}) {
    CAPTURE(target);
    request.target = target;
    CHECK_FALSE(parse_target(request));
  }
}

TEST_CASE("a status has its reason phrase of today") {
  CHECK(reason_phrase(200) == "OK");
  CHECK(reason_phrase(413) == "Content Too Large");
  CHECK(reason_phrase(422) == "Unprocessable Content");
  CHECK(reason_phrase(425) == "Too Early");
  CHECK(reason_phrase(431) == "Request Header Fields Too Large");
  for (auto const status : {-1, 0, 299, 600}) CHECK(reason_phrase(status) == "Unknown");
}

}  // namespace omnibus::http
