#include "assistant/answer_shape.hpp"

#include "assistant/answer_form.hpp"

#include <stdexcept>
#include <string>

#include <doctest/doctest.h>

using namespace omnibus;
using assistant::AnswerForm;
using assistant::fit;
using assistant::read_shape;

namespace {

/// A schema of an object with this one property, "value".
std::string with_value(std::string const& schema) {
  return R"({"type":"object","additionalProperties":false,"required":["value"],"properties":{"value":)" + schema + "}}";
}

/// The value as it fits, or why it does not.
std::string fitted(std::string const& schema, std::string const& value) {
  auto const result = fit(read_shape(with_value(schema)), R"({"value":)" + value + "}");
  if (!result) return result.error().message();
  return result->substr(9, result->size() - 10);
}

constexpr auto score = R"({"type":"number","minimum":0,"maximum":1})";
constexpr auto kind = R"({"type":"string","enum":["STRONG_MATCH","hidden_asset","Next Step"]})";

}  // namespace

TEST_CASE("a number is what the schema says, or it is refused") {
  for (auto const* const right : {"0", "1", "0.8", "1.0", "8e-1", "0.285", "0.6949"})
    CHECK(fitted(score, right) == right);
  for (auto const* const wrong : {"8.5", "85", R"("0.8")", R"("80%")", R"("high")", "true", "null", "1e400", "-1e400",
                                  "9.2e+124", "3.85", "-0.01", "1.0000001", "[0.8]", R"({"score":0.8})", R"("")"})
    CHECK_MESSAGE(fitted(score, wrong) == "value must be a number from 0 to 1", wrong);
}

TEST_CASE("minus zero is zero") {
  for (auto const* const zero : {"-0.0", "-0", "-0e5", "0.000"}) CHECK(fitted(score, zero) == "0");
  CHECK(fitted(R"({"type":"integer"})", "-0.0") == "0");
}

TEST_CASE("a whole number has no fraction") {
  constexpr auto priority = R"({"type":"integer","minimum":1,"maximum":5})";
  CHECK(fitted(priority, "3") == "3");
  CHECK(fitted(priority, "3.0") == "3");
  for (auto const* const wrong : {"3.5", "0", "6", R"("3")", "1e300"})
    CHECK_MESSAGE(fitted(priority, wrong) == "value must be a whole number from 1 to 5", wrong);
}

TEST_CASE("an enum's value is the one that is meant, as the schema spells it") {
  for (auto const* const meant : {"strong_match", "STRONG_MATCH", "Strong Match", "strong-match", "StrongMatch",
                                  " strongmatch", "strong\u2011match", "Strong\u00A0Match"})
    CHECK_MESSAGE(fitted(kind, '"' + std::string{meant} + '"') == R"("STRONG_MATCH")", meant);
  CHECK(fitted(kind, R"("Hidden asset")") == R"("hidden_asset")");
  CHECK(fitted(kind, R"("next_step")") == R"("Next Step")");
  for (auto const* const wrong : {R"("strong")", R"("STRONG_MATCHES")", R"("")", R"("strong/match")", "1", "null"})
    CHECK(fitted(kind, wrong).starts_with("value must be"));
}

TEST_CASE("an enum's value that may mean two is none, unless it is spelled as one of them") {
  constexpr auto two = R"({"type":"string","enum":["a-b","a_b"]})";
  CHECK(fitted(two, R"("a_b")") == R"("a_b")");
  CHECK(fitted(two, R"("A B")") == "value must be one of the values of its enum");
}

TEST_CASE("unknown members are dropped, missing ones refused, and the order is the schema's") {
  auto const shape = read_shape(R"({"type":"object","additionalProperties":false,"required":["a","b"],"properties":{
    "a":{"type":"string"},"b":{"type":"object","additionalProperties":false,"required":["c"],
    "properties":{"c":{"type":["boolean","null"]}}}}})");
  CHECK(*fit(shape, R"({"confidence":{"a":1},"b":{"d":[1],"c":null},"a":"x"})") == R"({"a":"x","b":{"c":null}})");
  CHECK(fit(shape, R"({"a":"x","b":{"d":1}})").error().message() == "b.c is missing");
  CHECK(fit(shape, R"({"a":"x"})").error().message() == "b is missing");
  CHECK(fit(shape, R"({"a":null,"b":{"c":true}})").error().message() == "a must be a string");
}

TEST_CASE("lists and texts keep their limits, and nothing is cut to them") {
  constexpr auto list = R"({"type":"array","minItems":1,"maxItems":2,"uniqueItems":true,"items":{"type":"string"}})";
  CHECK(fitted(list, R"(["a", "b"])") == R"(["a","b"])");
  CHECK(fitted(list, "[]") == "value must have 1 or more elements");
  CHECK(fitted(list, R"(["a","b","c"])") == "value must have at most 2 elements");
  CHECK(fitted(list, R"(["a","a"])") == "value must not have an element twice");
  CHECK(fitted(list, R"(["a",1])") == "value.1 must be a string");
  CHECK(fitted(list, R"("a")") == "value must be a list");
  constexpr auto text = R"({"type":"string","minLength":1,"maxLength":3})";
  CHECK(fitted(text, R"("äöü")") == R"("äöü")");
  CHECK(fitted(text, R"("abcd")") == "value must have at most 3 characters");
  for (auto const* const empty : {R"("")", R"("\n\n")", R"("​")"})
    CHECK(fitted(text, empty) == "value must not be empty");
}

TEST_CASE("an id is a UUID, and one of those given") {
  constexpr auto id = R"({"type":"string","format":"uuid"})";
  CHECK(fitted(id, R"("0B7E4A62-5D0F-4A7C-9E55-3E1F6F0E8D11")") == R"("0b7e4a62-5d0f-4a7c-9e55-3e1f6f0e8d11")");
  CHECK(fitted(id, R"("7")") == "value must be a UUID");
  constexpr auto given = R"({"type":"string","enum":["0b7e4a62-5d0f-4a7c-9e55-3e1f6f0e8d11"]})";
  CHECK(fitted(given, R"("0B7E4A62-5D0F-4A7C-9E55-3E1F6F0E8D11")") == R"("0b7e4a62-5d0f-4a7c-9e55-3e1f6f0e8d11")");
  CHECK(fitted(given, R"("1b7e4a62-5d0f-4a7c-9e55-3e1f6f0e8d11")") == "value must be one of the values of its enum");
}

TEST_CASE("a schema that we cannot check, or that providers refuse as strict, is none") {
  for (auto const* const wrong :
       {R"({"type":"string","pattern":"a"})", R"({"type":"string","format":"date"})", R"({"enum":[1]})",
        R"({"anyOf":[{"type":"null"}]})", R"({"type":"array"})", R"({"type":"any"})", R"({"type":["string","number"]})",
        R"({"type":"object","properties":{"a":{"type":"null"}}})", "true",
        R"({"type":"object","required":[],"properties":{"a":{"type":"string"}},"additionalProperties":false})",
        R"({"type":"object","required":["a"],"properties":{"a":{"type":"string"}}})",
        R"({"type":"number","minimum":"0"})", R"({"type":"string","minLength":-1})", R"({"type":"string","enum":[]})"})
    CHECK_THROWS_AS_MESSAGE(read_shape(with_value(wrong)), std::invalid_argument, wrong);
  CHECK_THROWS_AS(read_shape(R"({"type":"string"})"), std::invalid_argument);
  CHECK_THROWS_AS(read_shape("[]"), std::invalid_argument);
  CHECK_THROWS_AS(AnswerForm::named("no_such_form.v1"), std::invalid_argument);
}

TEST_CASE("a form is on the wire as a strict schema with a name that providers take") {
  AnswerForm const form{"pair.analysis.v1", R"({"$schema":"s","$id":"i","type":"object","title":"T","properties":{
    "a":{"type":"string","minLength":1,"maxLength":120,"description":"What \"a\" is."},
    "b":{"type":"array","minItems":2,"uniqueItems":true,"items":{"type":"string","minLength":3}}},
    "required":["a","b"],"additionalProperties":false})"};
  CHECK(
      form.response_format() ==
      R"({"type":"json_schema","json_schema":{"name":"pair_analysis_v1","strict":true,"schema":{"type":"object",)"
      R"("title":"T","properties":{"a":{"type":"string","description":"What \"a\" is. Not empty. At most 120 characters."},)"
      R"("b":{"type":"array","minItems":2,"items":{"type":"string","description":"At least 3 characters."},)"
      R"("description":"No element twice."}},"required":["a","b"],"additionalProperties":false}}})");
}
