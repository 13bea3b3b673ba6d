#include "json/members.hpp"

#include <string>

#include <doctest/doctest.h>

using namespace omnibus;

namespace {

std::string visited(std::string_view text) {
  std::string seen;
  auto const refused = json::each_member(text, {}, [&](json::Member const& member) {
    seen.append(member.name).append("=").append(member.text).append("|").append(member.string).append(";");
    return std::optional<json::DecodeError>();
  });
  return refused ? "refused: " + refused->message() : seen;
}

}  // namespace

TEST_CASE("members are visited with their text, and strings unescaped") {
  CHECK(visited(R"({ "a" : "x\n" , "\u0062":[1, {"c":2} ] ,"d":{} , "e":-1.5,"f":null,"g":true })") ==
        "a=\"x\\n\"|x\n;b=[1, {\"c\":2} ]|;d={}|;e=-1.5|;f=null|;g=true|;");
  CHECK(visited("{}") == "");
}

TEST_CASE("visiting refuses what decoding refuses") {
  for (auto const* text : {"", "[]", "{\"a\":1,\"a\":2}", "{\"a\":tru}", "{\"a\":{\"b\":1,\"b\":1}}", "{\"a\":1}x",
                           "{\"a\":\"\\ud800\"}", "{\"a\":\"\\u0000\"}", "{\"a\":1,}", "{\"a\":\"b\"c}"})
    CHECK_MESSAGE(visited(text).starts_with("refused: "), text);
}

TEST_CASE("a visitor may refuse") {
  auto const refused = json::each_member(R"({"a":1})", {}, [](json::Member const&) {
    return std::optional(json::DecodeError{"a", "is not wanted"});
  });
  REQUIRE(refused);
  CHECK(refused->message() == "a is not wanted");
}

TEST_CASE("one object is told from everything else") {
  CHECK(json::is_object(R"( {"a":[1]} )"));
  for (auto const* const text : {"", "[]", "1", "{", R"({"a":1,"a":2})", "{} {}", R"({"a":"\ud83d"})"}) {
    CAPTURE(text);
    CHECK_FALSE(json::is_object(text));
  }
}
