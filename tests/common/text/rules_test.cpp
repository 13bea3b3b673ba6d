#include "text/rules.hpp"

#include <doctest/doctest.h>

using namespace omnibus;

TEST_CASE("a line has no control characters, whatever their length in UTF-8, and nothing that turns the text around") {
  for (auto const* const text : {"a\nb", "a\x7f", "\x1b[31m", "a\xc2\x80",
                                 "a\xc2\x85"
                                 "b",
                                 "\xc2\x9b"
                                 "31m",
                                 "a\xc2\x9f",
                                 "a\xe2\x80\xa8"
                                 "b",
                                 "a\xe2\x80\xa9", "a\xe2\x80\xaa",
                                 "a\xe2\x80\xae"
                                 "b",
                                 "a\xe2\x81\xa6", "a\xe2\x81\xa9"})
    CHECK_MESSAGE(rules::line("handle", text, 64), text);
  for (auto const* const text : {"Zo\xc3\xab",
                                 "a\xc2\xa0"
                                 "b",
                                 "it\xe2\x80\x99s",
                                 "a\xe2\x80\x8d"
                                 "b",
                                 "a\xe2\x80\xaf"
                                 "b",
                                 "a\xe2\x81\xa5", "a\xe2\x81\xaa", "\xf0\x9f\x91\xa9", "\xe5\x8a\xa9"})
    CHECK_MESSAGE(!rules::line("handle", text, 64), text);
}

TEST_CASE("an e-mail address is one that can be sent to") {
  for (auto const* const text : {"", "@", "a@", "@b", "a", "a@b@c", "a b@c", "a@b\r\nBcc: x@y", "a@b>", "<a@b", "a,b@c",
                                 "\xc3\xa9@b", "a@\xc3\xa9", "a@b\x7f", "a;b@c", "\"a\"@b", "a@[127.0.0.1]"})
    CHECK_MESSAGE(rules::email("email", text), text);
  CHECK_FALSE(rules::email("email", "ann+reports@example.org"));
  CHECK_FALSE(rules::email("email", std::string(249, 'a') + "@b.cd"));
  CHECK(rules::email("email", std::string(250, 'a') + "@b.cd"));
}
