#include "compose/simulator/structured/structured.hpp"

#include "compose/simulator/structured/schema.hpp"
#include "tests/compose/simulator/simulator_fixture.hpp"

#include <cmath>
#include <random>
#include <set>
#include <string>

#include <boost/json.hpp>
#include <doctest/doctest.h>

namespace omnibus::simulator {
namespace {

namespace json = boost::json;

constexpr std::string_view text = "Ada builds compilers in Kigali. Grace wants weekly meetings about compilers!";

json::value pair_schema() {
  return json::parse(R"({"type":"object","additionalProperties":false,
    "required":["score","reasoning","insights","status","since","leader"],
    "properties":{
      "score":{"type":"number","minimum":0,"maximum":1},
      "reasoning":{"type":"string","maxLength":200},
      "insights":{"type":"array","minItems":2,"maxItems":3,"items":{"$ref":"#/$defs/insight"}},
      "status":{"enum":["good","bad"]},
      "since":{"type":["string","null"],"format":"date"},
      "leader":{"anyOf":[{"const":"nobody"},{"type":"null"}]}},
    "$defs":{"insight":{"type":"object","additionalProperties":false,"required":["title","weight"],
      "properties":{"title":{"type":"string","minLength":3,"maxLength":40},
                    "weight":{"type":"integer","minimum":1,"maximum":5}}}}})");
}

/// A random schema, nested no deeper than this.
json::object random_schema(std::mt19937& random, int depth) {
  auto const below = [&](int most) { return static_cast<int>(random() % static_cast<unsigned>(most)); };
  switch (depth > 0 ? below(9) : below(5)) {
    case 0:
      return {{"type", "string"}, {"minLength", below(5)}, {"maxLength", 5 + below(60)}};
    case 1: {
      auto const least = below(100) - 50;
      return {{"type", "integer"}, {"minimum", least}, {"maximum", least + below(7)}};
    }
    case 2:
      return {{"type", "number"}, {"exclusiveMinimum", 0}, {"maximum", 1 + below(3)}};
    case 3:
      return {{"enum", json::array{"a", 1, nullptr, true}}};
    case 4:
      return {{"type", json::array{"boolean", "null"}}};
    case 5: {
      auto const least = below(3);
      return {{"type", "array"},
              {"items", random_schema(random, depth - 1)},
              {"minItems", least},
              {"maxItems", least + below(3)}};
    }
    case 6:
      return {{"anyOf", json::array{random_schema(random, depth - 1), random_schema(random, depth - 1)}}};
    case 7:
      return {{"oneOf", json::array{random_schema(random, depth - 1), json::object{{"type", "null"}}}}};
    default: {
      json::object properties;
      json::array required;
      for (auto i = below(4); i >= 0; --i) {
        auto const name = "p" + std::to_string(i);
        properties[name] = random_schema(random, depth - 1);
        if (below(2) == 0) required.emplace_back(name);
      }
      return {{"type", "object"},
              {"properties", std::move(properties)},
              {"required", std::move(required)},
              {"additionalProperties", below(2) == 0}};
    }
  }
}

/// The value at the end of the path; a null when there is none.
json::value at(json::value const& document, char const* path) {
  json::error_code error;
  auto const* const found = document.find_pointer(path, error);
  return found != nullptr ? *found : json::value(nullptr);
}

/// The text of the first choice, or null.
json::value content_of(http::Response const& response) {
  return at(json::parse(response.body), "/choices/0/message/content");
}

std::string request(std::string_view format) {
  return R"({"model":"m","messages":[{"role":"user","content":")" + std::string(text) + R"("}],"response_format":)" +
         std::string(format) + "}";
}

std::string pair_request() {
  return request(json::serialize(json::object{
      {"type", "json_schema"}, {"json_schema", {{"name", "pair"}, {"strict", true}, {"schema", pair_schema()}}}}));
}

}  // namespace

TEST_CASE("a structured answer fits its schema, and is made of the question's words") {
  auto const schema = pair_schema();
  std::set<std::string> answers;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    auto const value = structured_value(schema, text, seed);
    CHECK_MESSAGE(fits(value, schema, schema), json::serialize(value));
    answers.insert(json::serialize(value));
    CHECK(json::serialize(value) == json::serialize(structured_value(schema, text, seed)));
    auto const title = std::string(at(value, "/insights/0/title").as_string());
    CHECK_MESSAGE(title.find_first_of("abcdefghijklmnopqrstuvwxyz") != std::string::npos, title);
    CHECK(std::string(at(value, "/reasoning").as_string()).find("ada builds compilers") != std::string::npos);
  }
  CHECK(answers.size() > 20);
}

TEST_CASE("any schema of the subset gets a value that fits") {
  std::mt19937 random(15);
  for (auto i = 0; i < 3000; ++i) {
    auto const schema = json::value(random_schema(random, 4));
    auto const value = structured_value(schema, text, random());
    CHECK_MESSAGE(fits(value, schema, schema), json::serialize(schema), " got ", json::serialize(value));
  }
}

TEST_CASE("schemas that contain themselves end, and those that cannot be met do no harm") {
  auto const tree =
      json::parse(R"({"$ref":"#/$defs/node","$defs":{"node":{"type":"object","required":["name","children"],
    "properties":{"name":{"type":"string"},"children":{"type":"array","items":{"$ref":"#/$defs/node"}},
                  "parent":{"anyOf":[{"$ref":"#/$defs/node"},{"type":"null"}]}}}}})");
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    auto const value = structured_value(tree, text, seed);
    CHECK(fits(value, tree, tree));
    CHECK(json::serialize(value).size() < 100'000);
  }
  for (auto const* schema :
       {"{}", "true", "false", "[]", R"({"$ref":"#/nowhere"})", R"({"$ref":"#"})", R"({"type":"nonsense"})",
        R"({"enum":[]})", R"({"type":"integer","minimum":5,"maximum":1})", R"({"minItems":-3,"type":"array"})",
        R"({"type":"object","required":["a"],"properties":{"a":{"$ref":"#"}}})", R"({"multipleOf":0})",
        R"({"type":"array","minItems":3,"uniqueItems":true,"items":{"const":1}})", R"({"allOf":[{"$ref":"#"}]})",
        R"({"anyOf":[{"$ref":"#"},{"$ref":"#"}]})", R"({"type":"string","minLength":1e300})",
        R"({"type":"object","required":["a","b"],"properties":{"a":{"$ref":"#"},"b":{"$ref":"#"}}})",
        R"({"type":"array","minItems":1e300})"}) {
    CAPTURE(schema);
    CHECK_FALSE(json::serialize(structured_value(json::parse(schema), text, 1)).empty());
  }
}

TEST_CASE("a schema is compared as its draft says") {
  auto const fit = [](char const* value, char const* schema) {
    auto const parsed = json::parse(schema);
    return fits(json::parse(value), parsed, parsed);
  };
  CHECK(fit("1.0", R"({"type":"integer"})"));
  CHECK_FALSE(fit("1.5", R"({"type":"integer"})"));
  CHECK_FALSE(fit("true", R"({"type":"integer"})"));
  CHECK(fit("null", R"({"type":"string","nullable":true})"));
  CHECK_FALSE(fit("{}", R"({"required":["a"]})"));
  CHECK_FALSE(fit(R"({"b":1})", R"({"properties":{"a":{}},"additionalProperties":false})"));
  CHECK_FALSE(fit(R"({"b":1})", R"({"additionalProperties":{"type":"string"}})"));
  CHECK_FALSE(fit("2", R"({"oneOf":[{"type":"integer"},{"minimum":1}]})"));
  CHECK(fit(R"("é")", R"({"maxLength":1})"));
  CHECK_FALSE(fit("[1,1.0]", R"({"uniqueItems":true})"));
  CHECK_FALSE(fit("3", R"({"exclusiveMaximum":3})"));
  CHECK_FALSE(fit("3", R"({"not":{"type":"number"}})"));
}

TEST_CASE("what descriptions demand is kept: shares of 1, and lengths") {
  auto const schema = json::parse(R"({"type":"object","required":["probabilities","title"],"properties":{
    "probabilities":{"type":"object","description":"How likely each outcome is; they sum to 1.",
      "required":["strong","weak","none","later"],"properties":{
      "strong":{"type":"number","minimum":0,"maximum":1},"weak":{"type":"number","minimum":0,"maximum":1},
      "none":{"type":"number","minimum":0,"maximum":1},"later":{"type":"number","minimum":0,"maximum":1}}},
    "title":{"type":"string","description":"Its text. Not empty. At most 12 characters."}}})");
  std::set<std::string> answers;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    auto const value = structured_value(schema, text, seed);
    CHECK(fits(value, schema, schema));
    double sum = 0;
    auto const probabilities = at(value, "/probabilities");
    for (auto const& share : probabilities.as_object()) {
      CHECK(share.value().as_double() == doctest::Approx(std::round(100 * share.value().as_double()) / 100));
      sum += share.value().as_double();
    }
    CHECK(sum == doctest::Approx(1));
    CHECK(characters(std::string(at(value, "/title").as_string())) <= 12);
    answers.insert(json::serialize(probabilities));
  }
  CHECK(answers.size() > 100);
}

TEST_CASE("an answer is made of all that the user and the instructions tell, but for what to do") {
  auto const told = [](char const* messages) {
    return read_question(R"({"model":"m","messages":[)" + std::string(messages) + "]}").told;
  };
  CHECK(told(R"({"role":"system","content":"Be brief.\n\nYou speak for Ada."},{"role":"user","content":"Who?"},)"
             R"({"role":"assistant","content":"I."},{"role":"user","content":"Where?"})") ==
        "Where?\n\n\nYou speak for Ada.\nWho?\n\n");
  CHECK(told(R"({"role":"system","content":"Be brief."},{"role":"user","content":"Who?"})") == "Who?\n\n\n");
}

TEST_CASE("response_format is honoured, streamed and whole") {
  SimulatorFixture fixture;
  auto const whole = content_of(fixture.fetch("POST", "/v1/chat/completions", pair_request()));
  auto const value = json::parse(whole.as_string());
  CHECK(fits(value, pair_schema(), pair_schema()));
  auto ours = SimulatorFixture::question(std::string(text));
  ours.response_format = json::serialize(json::parse(pair_request()).at("response_format"));
  for (auto const stream : {true, false}) {
    ours.stream = stream;
    CHECK(fixture.complete(ours).text == std::string(whole.as_string()));
  }
  auto const object = content_of(fixture.fetch("POST", "/v1/chat/completions", request(R"({"type":"json_object"})")));
  CHECK(json::parse(object.as_string()).is_object());
  CHECK(content_of(fixture.fetch("POST", "/v1/chat/completions", request(R"({"type":"text"})"))).as_string().front() !=
        '{');
  for (auto const* format :
       {"1", "{}", R"({"type":"x"})", R"({"type":"json_schema"})", R"({"type":"json_schema","json_schema":{}})"}) {
    auto const refused = fixture.fetch("POST", "/v1/chat/completions", request(format));
    CHECK(refused.status == 400);
    CHECK(std::string(at(json::parse(refused.body), "/error/param").as_string()).starts_with("response_format"));
  }
}

TEST_CASE("a structured answer is broken on demand") {
  auto const answer = [](char const* fault, std::string const& body) {
    SimulatorFixture fixture(fault);
    return fixture.fetch("POST", "/v1/chat/completions", body);
  };
  json::error_code error;
  json::parse(content_of(answer("not_json", pair_request())).as_string(), error);
  CHECK(error);
  auto const wrong = json::parse(content_of(answer("wrong_schema", pair_request())).as_string());
  CHECK_FALSE(fits(wrong, pair_schema(), pair_schema()));
  CHECK(json::parse(content_of(answer("wrong_schema", request(R"({"type":"json_object"})"))).as_string()).is_array());
  auto const refused = answer("refusal", pair_request());
  CHECK(content_of(refused).is_null());
  CHECK(at(json::parse(refused.body), "/choices/0/message/refusal").is_string());
  CHECK(at(json::parse(refused.body), "/choices/0/finish_reason") == "stop");
  SimulatorFixture fixture("wrong_schema;not_json");
  CHECK(fixture.ask("Where is my card?").finish_reason == "stop");  // a question for plain text is not concerned
}

}  // namespace omnibus::simulator
