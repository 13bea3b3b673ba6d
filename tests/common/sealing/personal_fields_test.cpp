#include "sealing/personal_fields.hpp"

#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace omnibus::sealing;

namespace {

/// The pointers of the personal texts in this data.
std::vector<std::string> personal_in(std::string_view type, std::string_view data) {
  std::vector<std::string> pointers;
  change_texts(data, *personal_fields(type), [&](std::string_view pointer, std::string_view text) {
    pointers.emplace_back(pointer);
    return std::string{text};
  });
  return pointers;
}

std::string shouted(std::string_view data, FieldTree const& fields) {
  return change_texts(data, fields, [](auto, auto text) { return std::string{text} + '!'; });
}

}  // namespace

TEST_CASE("schemas say which fields are personal, those within objects and arrays included") {
  CHECK(
      personal_in("omnibus.chat.message.received.v1", R"({"domain":"shop.example","session_id":"s","text":"hello"})") ==
      std::vector<std::string>{"/text"});
  CHECK(personal_in("omnibus.call.terminated.v1",
                    R"({"phone_number":"+250788123456","transcript":[{"speaker":"agent","text":"a"},{"text":"b"}]})") ==
        std::vector<std::string>{"/phone_number", "/transcript/0/speaker", "/transcript/0/text", "/transcript/1/text"});
  CHECK(personal_in("omnibus.person.recorded.v1", R"({"handle":"ada","seeking_connections":["x","y"]})") ==
        std::vector<std::string>{"/handle", "/seeking_connections/0", "/seeking_connections/1"});
  CHECK(personal_fields("omnibus.llm.call.completed.v1") == nullptr);
  CHECK(personal_fields("com.example.unknown") == nullptr);
}

TEST_CASE("only texts of personal fields change, and everything around them stays as it was") {
  FieldTree fields;
  fields.members["a"].personal = true;
  fields.members["o"].members["b"].personal = true;
  CHECK(shouted(R"( {"a" : "x" , "c":"x", "o":{"a":"x","b":"y","n":1e3} , "a":"z"} )", fields) ==
        R"( {"a" : "x!", "c":"x", "o":{"a":"x","b":"y!","n":1e3} , "a":"z!"} )");
  CHECK(shouted(R"({"a":null,"o":[{"b":"y"}]})", fields) == R"({"a":null,"o":[{"b":"y"}]})");
  CHECK(shouted(R"({"a":7})", fields) == R"({"a":7})");
  CHECK(shouted(R"({"a":["x",["y"],{"b":"z"},null]})", fields) == R"({"a":["x!",["y!"],{"b":"z"},null]})");
  CHECK(shouted("", fields).empty());
}

TEST_CASE("a name or a text that is escaped is read as what it means") {
  FieldTree fields;
  fields.members["text"].personal = true;
  CHECK(shouted(R"({"te\u0078t":"line\nend \"quoted\" \u00e9"})", fields) ==
        R"({"te\u0078t":"line\nend \"quoted\" é!"})");
}

TEST_CASE("pointers escape what has a meaning in them") {
  FieldTree fields;
  fields.members["a/b~c"].personal = true;
  std::string found;
  change_texts(R"({"a/b~c":"x"})", fields, [&](auto pointer, auto text) {
    found = pointer;
    return std::string{text};
  });
  CHECK(found == "/a~1b~0c");
}

TEST_CASE("a member's text is found at the top only") {
  CHECK(text_member(R"({"o":{"domain":"no"},"domain":"shop.example"})", "domain") == "shop.example");
  CHECK_FALSE(text_member(R"({"domain":7})", "domain"));
  CHECK_FALSE(text_member("[]", "domain"));
}
