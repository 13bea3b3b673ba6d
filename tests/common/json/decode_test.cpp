#include "json/decode.hpp"

#include "sample.hpp"

#include <string>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::json_test;

namespace {

std::string refusal(std::string_view text, json::Limits const& limits = {}) {
  auto const result = json::decode<Text>(text, limits);
  return result ? "" : result.error().message();
}

std::string refusal_of_sample(std::string_view text) {
  auto const result = json::decode<Sample>(text);
  return result ? "" : result.error().message();
}

std::string text_of(std::string_view document) {
  auto const result = json::decode<Text>(document);
  return result ? result->text : "refused: " + result.error().message();
}

/// A valid sample with the text of one of its members replaced.
std::string sample(std::string_view name = "", std::string_view value = "") {
  std::pair<std::string_view, std::string_view> const members[] = {
      {"text", R"("t")"},
      {"flag", "true"},
      {"small", "-7"},
      {"large", "9007199254740993"},
      {"number", "0.1"},
      {"id", R"("2ed6657d-e927-568b-95e1-2665a8aea6a2")"},
      {"item", R"({"name":"n","price":2})"},
      {"items", R"([{"name":"a","price":1.5},{"name":"b","price":1e3}])"},
      {"counts", "[1,null,3]"},
      {"raw", R"([1, {"a" : "b"} ] )"},
  };
  std::string text = "{";
  for (auto const& [key, usual] : members) {
    auto const chosen = key == name ? value : usual;
    if (chosen.empty()) continue;
    if (text.size() > 1) text += " , ";
    text.append("\"").append(key).append("\" : ").append(chosen);
  }
  return text + "}\n";
}

std::string nested(std::size_t depth) {
  return R"({"text":"t","ignored":)" + std::string(depth, '[') + std::string(depth, ']') + "}";
}

}  // namespace

TEST_CASE("strictly decoded, a field that is not known is refused, in nested objects too, and named if it has a name") {
  auto const refusal = [](std::string_view text) {
    auto const result = json::decode_strictly<Sample>(text);
    return result ? "" : result.error().message();
  };
  CHECK(refusal(sample()) == "");
  CHECK(refusal(sample("small", R"(1,"colour_2":[{"deep":null}])")) == "colour_2 is not a known field");
  CHECK(refusal(sample("item", R"({"name":"n","price":2,"weight":1})")) == "item.weight is not a known field");
  CHECK(refusal(sample("items", R"([{"name":"n","price":2,"weight":1}])")) == "items.0.weight is not a known field");
  CHECK(refusal(sample("raw", R"({"anything":{"goes":"here"}})")) == "");
  for (auto const* name : {"", "+250788123456", "a b", "9", "a.b", "caf\u00e9"}) {
    CAPTURE(name);
    CHECK(refusal(sample("small", "1,\"" + std::string(name) + "\":1")) ==
          "the document has a field that is not known");
  }
  CHECK(refusal(sample("small", "1,\"" + std::string(65, 'a') + "\":1")) ==
        "the document has a field that is not known");
  CHECK(refusal("{") == "the document is not valid JSON");
}

TEST_CASE("a document fills a struct, its bases and what is nested in it") {
  auto const result = json::decode<Sample>(sample());
  REQUIRE_MESSAGE(result.has_value(), result.error().message());
  auto const& value = *result;
  CHECK(value.text == "t");
  CHECK(value.flag);
  CHECK(value.small == -7);
  CHECK(value.large == 9007199254740993);
  CHECK(value.number == 0.1);
  CHECK(to_string(value.id) == "2ed6657d-e927-568b-95e1-2665a8aea6a2");
  CHECK(!value.note);
  CHECK(value.item.value().price == 2);
  REQUIRE(value.items.size() == 2);
  CHECK(value.items[1].name == "b");
  CHECK(value.items[1].price == 1000);
  CHECK(value.counts == std::vector<std::optional<std::int64_t>>{1, std::nullopt, 3});
  CHECK(value.raw.value().text == R"([1, {"a" : "b"} ])");
}

TEST_CASE("the order of fields does not matter") {
  CHECK(json::decode<Item>(R"({"price":1,"name":"a"})").value().name == "a");
}

TEST_CASE("an optional member may be absent or null") {
  for (auto const* text : {"", "null"}) {
    auto const result = json::decode<Sample>(sample("item", text));
    REQUIRE(result.has_value());
    CHECK(!result->item);
  }
}

TEST_CASE("any other member that is absent is named") {
  CHECK(refusal("{}") == "text is missing");
  CHECK(refusal_of_sample(sample("id", "")) == "id is missing");
  CHECK(refusal_of_sample(sample("items", "[]")) == "");
  CHECK(refusal_of_sample(sample("items", R"([{"name":"a","price":1},{"name":"b"}])")) == "items.1.price is missing");
  CHECK(refusal_of_sample(sample("item", R"({"price":1})")) == "item.name is missing");
}

TEST_CASE("a value of the wrong type is named by its path") {
  CHECK(refusal(R"({"text":1})") == "text must be a string");
  CHECK(refusal(R"({"text":null})") == "text must be a string");
  CHECK(refusal_of_sample(sample("flag", "1")) == "flag must be true or false");
  CHECK(refusal_of_sample(sample("flag", "truex")) == "flag must be true or false");
  CHECK(refusal_of_sample(sample("small", "2147483648")) == "small must be an integer of 32 bits");
  CHECK(refusal_of_sample(sample("small", "1.5")) == "small must be an integer of 32 bits");
  CHECK(refusal_of_sample(sample("large", "9223372036854775808")) == "large must be an integer of 64 bits");
  CHECK(refusal_of_sample(sample("large", R"("1")")) == "large must be an integer of 64 bits");
  CHECK(refusal_of_sample(sample("large", "01")) == "large must be an integer of 64 bits");
  CHECK(refusal_of_sample(sample("number", "1e999")) == "number must be a number of double precision");
  CHECK(refusal_of_sample(sample("number", "[]")) == "number must be a number of double precision");
  CHECK(refusal_of_sample(sample("id", R"("7")")) == "id must be a UUID");
  CHECK(refusal_of_sample(sample("item", "[]")) == "item must be an object");
  CHECK(refusal_of_sample(sample("items", "{}")) == "items must be an array");
  CHECK(refusal_of_sample(sample("items", R"([{"name":"a","price":1},{"name":true,"price":1}])")) ==
        "items.1.name must be a string");
  CHECK(refusal_of_sample(sample("counts", "[1,true]")) == "counts.1 must be an integer of 64 bits");
}

TEST_CASE("the largest and smallest integers are taken") {
  CHECK(json::decode<Sample>(sample("large", "9223372036854775807")).value().large == INT64_MAX);
  CHECK(json::decode<Sample>(sample("large", "-9223372036854775808")).value().large == INT64_MIN);
  CHECK(json::decode<Sample>(sample("small", "-2147483648")).value().small == INT32_MIN);
}

TEST_CASE("escapes are resolved, in keys too") {
  CHECK(text_of(R"({"text":"a\"\\\/\b\f\n\r\t\u00e9\uD83D\uDE00"})") == "a\"\\/\b\f\n\r\t\xC3\xA9\xF0\x9F\x98\x80");
  CHECK(text_of(R"({"t\u0065xt":"a"})") == "a");
  CHECK(text_of("{\"text\":\"\xF0\x9F\x98\x80\"}") == "\xF0\x9F\x98\x80");
  CHECK(text_of(R"({"text":""})") == "");
}

TEST_CASE("unknown fields are ignored when they are valid") {
  CHECK(text_of(R"({"a":[],"b":{},"c":[{"d":[1,-0.5e+7,true,false,null,"\u00e9"]}],"text":"t","e":1e999})") == "t");
}

TEST_CASE("unknown fields are checked as known ones are") {
  for (auto const* ignored : {
           "tru",
           "nul",
           "True",
           "01",
           "1.",
           ".5",
           "-",
           "+1",
           "1e",
           "0x1",
           "NaN",
           "1 2",
           "\"\\x\"",
           "\"\\u12\"",
           "[1,]",
           "[1 2]",
           "[,1]",
           "{\"a\"}",
           "{\"a\":}",
           "{\"a\":1,}",
           "{a:1}",
           "{1:1}",
           "[}",
           "{]",
           "\"a\"b",
           "'a'",
           "",
           "[1,[2,[tru]]]",
           "{\"a\":{\"b\":[01]}}",
           "\"a\" \"b\"",
           "{\"a\" 1}",
           "[\"a\":1]",
           "1\"a\"",
           "\"a\":1",
           "\"a\":{}}",
           "1:1",
           "null:1",
           "{}:1",
           "[]:{}",
           "\"\\",
       })
    for (auto const* format : {R"({"text":"t","x":%})", R"({"x":%,"text":"t"})", R"({"x":[%],"text":"t"})"}) {
      std::string document = format;
      document.replace(document.find('%'), 1, ignored);
      if (document == R"({"x":[],"text":"t"})") continue;
      CHECK_MESSAGE(refusal(document) != "", document);
    }
}

TEST_CASE("a value that looks like a key is refused") {
  for (auto const* text : {R"({"text":"a":1})", R"({"text":"a":{}})", R"({"text":"a":"b","x":1})", R"({"text":"a":%}})",
                           R"({"text":"\n":1})", R"({"x":["a":1],"text":"a"})", R"({"x":"a":"b","text":"a"})"})
    CHECK_MESSAGE(refusal(text) != "", text);
}

TEST_CASE("what is no object is refused") {
  CHECK(refusal("") == "the document is empty");
  CHECK(refusal("  \n") == "the document is empty");
  for (auto const* text : {"[]", "1", "null", "\"a\"", "true"})
    CHECK_MESSAGE(refusal(text) == "the document must be an object", text);
  for (auto const* text : {"{", "}", "{{", "{\"text\"", "{\"text\":\"a\"", "{\"text\":\"a}", "x", "\xEF\xBB\xBF{}",
                           "{\"text\":\"a\"]", "{\"text\":[}", "{\"a\":{\"text\":\"a\"}", "{\"a\":[\"text\":1}"})
    CHECK_MESSAGE(refusal(text) != "", text);
}

TEST_CASE("nothing may follow the document") {
  for (auto const* tail : {"x", "}", "{}", ",", "1", "\"a\"", "{\"text\":\"b\"}", "]"})
    CHECK_MESSAGE(refusal(std::string(R"({"text":"t"})") + tail) != "", tail);
  CHECK(refusal("{\"text\":\"t\"}{}") == "the document has bytes behind its end");
  CHECK(refusal(std::string_view("{\"text\":\"t\"}\0", 13)) != "");
  CHECK(refusal(" {\"text\":\"t\"} \r\n\t") == "");
}

TEST_CASE("a field that appears twice is refused wherever it stands") {
  CHECK(refusal(R"({"text":"a","text":"b"})") == "text appears twice");
  CHECK(refusal(R"({"text":"a","t\u0065xt":"b"})") == "text appears twice");
  CHECK(refusal(R"({"text":"a","x":1,"x":2})") == "the document names a field twice");
  CHECK(refusal(R"({"text":"a","x":{"y":1,"\u0079":2}})") == "the document names a field twice");
  CHECK(refusal(R"({"text":"a","x":[{"y":1},{"y":2}]})") == "");
  CHECK(refusal(R"({"text":"a","x":{"x":{"x":1}}})") == "");
  std::string many = R"({"text":"a")";
  for (int i = 0; i < 1'000; ++i) many += ",\"k" + std::to_string(i) + "\":" + std::to_string(i);
  CHECK(refusal(many + "}") == "");
  CHECK(refusal(many + ",\"k500\":1}") == "the document names a field twice");
}

TEST_CASE("bytes that are not UTF-8 are refused wherever they stand") {
  for (auto const* bytes : {"\xFF", "\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE2\x82", "\x80"}) {
    CHECK(refusal("{\"text\":\"" + std::string(bytes) + "\"}") == "the document is not valid UTF-8");
    CHECK(refusal("{\"text\":\"a\",\"" + std::string(bytes) + "\":1}") == "the document is not valid UTF-8");
  }
}

TEST_CASE("half a surrogate pair is refused wherever it stands") {
  for (auto const* half : {R"(\ud800)", R"(\udc00)", R"(\ud800x)", R"(\ud800\ud800)", R"(\udc00\ud800)",
                           R"(\ud800\u0041)", R"(\ud83d\n)"}) {
    CHECK_MESSAGE(
        refusal("{\"text\":\"" + std::string(half) + "\"}").starts_with("text holds half of a surrogate pair"), half);
    CHECK_MESSAGE(refusal("{\"text\":\"a\",\"x\":[\"" + std::string(half) + "\"]}") != "", half);
    CHECK_MESSAGE(refusal("{\"text\":\"a\",\"" + std::string(half) + "\":1}") != "", half);
  }
}

TEST_CASE("NUL and raw control characters are refused wherever they stand") {
  CHECK(refusal(R"({"text":"a\u0000b"})") == "text holds a NUL character");
  CHECK(refusal(R"({"text":"a","x":"\u0000"})") == "the document holds a NUL character");
  CHECK(refusal(R"({"text":"a","\u0000":1})") == "the document holds a NUL character");
  CHECK(refusal("{\"text\":\"a\nb\"}") == "the document has a control character in a string");
  CHECK(refusal(std::string_view("{\"text\":\"a\0b\"}", 14)) != "");
}

TEST_CASE("size, depth and the length of arrays are bounded") {
  CHECK(refusal(R"({"text":"0123456789"})", {.bytes = 20}) == "the document is larger than 20 bytes");
  CHECK(refusal(R"({"text":"012345678"})", {.bytes = 20}) == "");
  CHECK(refusal(nested(63)) == "");
  CHECK(refusal(nested(64)) == "the document is nested deeper than 64 levels");
  CHECK(refusal(nested(10'000)) == "the document is nested deeper than 64 levels");
  CHECK(refusal(nested(400'000), {.depth = 1'000'000}) == "the document is nested deeper than 256 levels");
  CHECK(refusal(R"({"text":"a","x":[1,2,3]})", {.array_length = 3}) == "");
  CHECK(refusal(R"({"text":"a","x":[1,2,3,4]})", {.array_length = 3}) == "the document has more than 3 elements");
  auto const counts = json::decode<Sample>(sample("counts", "[1,2,3,4]"), {.array_length = 3});
  CHECK(counts.error().message() == "counts has more than 3 elements");
}

TEST_CASE("a refused document does not harm the next one") {
  for (int i = 0; i < 3; ++i) {
    CHECK(refusal(nested(10'000)) != "");
    CHECK(refusal(R"({"text":"a","x":{"y":1,"z":)") != "");
    CHECK(text_of(R"({"y":1,"text":"fine","z":2})") == "fine");
  }
}

TEST_CASE("every document cut short is refused") {
  auto const whole = sample();
  for (std::size_t length = 0; length < whole.size() - 2; ++length)
    CHECK_MESSAGE(json::decode<Sample>(std::string_view(whole).substr(0, length)).has_error(), length);
  CHECK(json::decode<Sample>(whole).has_value());
}

TEST_CASE("an error can be thrown") {
  CHECK_THROWS_WITH_AS(json::decode<Text>("{}").value(), "text is missing", std::invalid_argument);
}
