#include "json/loose.hpp"

#include <doctest/doctest.h>

using namespace omnibus::json;

namespace {

/// The value of member `a`, as text if it is a string.
std::string read_a(std::string_view text) {
  LooseReader reader(text);
  std::string value;
  auto const is_object = reader.object([&](std::string_view key) {
    if (key != "a") return;
    value.clear();
    if (!reader.string(value)) value = reader.raw();
  });
  return is_object && reader.good() ? value : "broken";
}

std::optional<std::int64_t> whole(std::string_view text) {
  return LooseReader(text).integer();
}

}  // namespace

TEST_CASE("a member is read, and others are skipped, whatever they are") {
  CHECK(read_a(R"({"a":"x"})") == "x");
  CHECK(read_a(" \r\n{ \"b\" : [1, {\"a\":\"no ] }\"}] ,\t\"a\" : \"x\" , \"c\":NaN}") == "x");
  CHECK(read_a(R"({"b":-Infinity,"a":{"c":[]},"b":"\ud83d","\u0061":"y"})") == "y");
  CHECK(read_a("{}").empty());
}

TEST_CASE("strings are unescaped; halves of pairs and wrong bytes come as they are") {
  CHECK(read_a(R"({"a":"\"\\\/\b\f\n\r\t\u00e9\u20ac\ud83d\ude00"})") == "\"\\/\b\f\n\r\té€😀");
  CHECK(read_a(R"({"a":"\ud83d-"})") == "\xED\xA0\xBD-");
  CHECK(read_a(R"({"a":"\ude00"})") == "\xED\xB8\x80");
  CHECK(read_a(R"({"a":"\ud83d\u0041"})") ==
        "\xED\xA0\xBD"
        "A");
  CHECK(read_a("{\"a\":\"\xFF\n\"}") == "\xFF\n");
  CHECK(read_a(R"({"a":"\u12"})") == "broken");
}

TEST_CASE("broken text is told as such") {
  for (auto const* const text :
       {"", "[", "{", "{\"a\"", "{\"a\":", "{\"a\":\"x", "{\"a\":\"x\\", "{\"a\":[1,2", "{\"a\" 1}", "{a:1}",
        "{\"a\":1 \"b\":2}", "{\"a\":1,}", "{\"a\":,}", "\"a\"", "nul"}) {
    CAPTURE(text);
    CHECK(read_a(text) == "broken");
  }
}

TEST_CASE("whole numbers are read in any writing, and nothing else is") {
  CHECK(whole("20") == 20);
  CHECK(whole(" -3 ") == -3);
  CHECK(whole("20.0") == 20);
  CHECK(whole("2e1") == 20);
  CHECK(whole("\"20\"") == 20);
  CHECK(whole("\" 20.0 \"") == 20);
  for (auto const* const text :
       {"20.5", "1e30", "NaN", "inf", "true", "null", "\"\"", "\"a\"", "\" \"", "[]", "{}", ""}) {
    CAPTURE(text);
    CHECK_FALSE(whole(text));
  }
  LooseReader reader("\"word\"");
  CHECK_FALSE(reader.integer());
  CHECK(reader.raw() == "\"word\"");  // still to be read
}

TEST_CASE("what follows a document is told, and depth costs no stack") {
  LooseReader reader("{\"a\":1} {\"b\":2}");
  CHECK(reader.skip());
  CHECK(reader.rest() == "{\"b\":2}");
  std::string deep(1'000'000, '[');
  CHECK_FALSE(LooseReader(deep).skip());
  deep.append(1'000'000, ']');
  CHECK(LooseReader(deep).skip());
}
