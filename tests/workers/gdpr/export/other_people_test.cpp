#include "workers/gdpr/export/other_people.hpp"

#include <string>

#include <doctest/doctest.h>

using namespace omnibus::gdpr;

namespace {

OtherPeople const bob{
    {{"00000000-0000-4000-8000-00000000000b", "Bob", {"bob@shop.example", "I cook, and \"I\" sing.\nA lot."}}}};

}  // namespace

TEST_CASE("another person's id, handle and own words are replaced, wherever they stand") {
  CHECK(bob.masked(R"({"a":"Bob and Ann","b":["bob"],"c":{"d":"BOB's idea"}})") ==
        R"({"a":"the other person and Ann","b":["the other person"],"c":{"d":"the other person's idea"}})");
  CHECK(bob.masked(R"({"id":"00000000-0000-4000-8000-00000000000B","key":"0000000000004000800000000000000b"})") ==
        R"({"id":"the other person","key":"the other person"})");
  CHECK(bob.masked(R"({"t":"He says: I cook, and \"I\" sing.\nA lot. Write to bob@shop.example."})") ==
        R"({"t":"He says: the other person Write to the other person."})");
  CHECK(bob.masked(R"({"t":"\u0042ob"})") == R"({"t":"the other person"})");
}

TEST_CASE("longer words, names of members and numbers stay") {
  for (auto const* const json : {R"({"t":"Bobby's kebob"})", R"({"Bob":1,"t":"Ann"})",
                                 R"({"n":-0.25,"b":true,"x":null})", R"(["\\",":"])", R"({"t":"a \" quote"})"}) {
    CAPTURE(json);
    CHECK(bob.masked(json) == json);
  }
}

TEST_CASE("a short text is replaced as a word, and not within the words of the exported person") {
  OtherPeople const other{{{"", "", {"AI", "x@y.example"}}}};
  CHECK(other.masked(R"({"t":"I said I paid for AI."})") == R"({"t":"I said I paid for the other person."})");
  CHECK(other.masked(R"({"t":"_x@y.example_"})") == R"({"t":"_the other person_"})");
}

TEST_CASE("a handle that is no word of ASCII is found within a text") {
  OtherPeople const other{{{"", "李雷", {}}, {"", "@b.o*b", {}}}};
  CHECK(other.masked(R"({"t":"和李雷说话, @b.o*b!"})") == R"({"t":"和the other person说话, the other person!"})");
}

TEST_CASE("who of the team did it is not told") {
  CHECK(OtherPeople{}.masked(R"({"actor":"6f6d6e69","requested_by" : "x","owner_id":null,"text":"actor"})") ==
        R"({"actor":"a person of the team","requested_by" : "a person of the team","owner_id":null,"text":"actor"})");
  CHECK(OtherPeople{}.masked(R"([{"actor":"x"},"y"])") == R"([{"actor":"a person of the team"},"y"])");
}
