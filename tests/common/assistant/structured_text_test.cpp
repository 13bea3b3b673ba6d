#include "assistant/structured_text.hpp"

#include "text/invalid_field.hpp"

#include <string>

#include <doctest/doctest.h>

using namespace omnibus;
using assistant::first_characters;
using assistant::read_shape;
using assistant::read_structured;

namespace {

assistant::AnswerShape const& shape() {
  static auto const read = read_shape(R"({"type":"object","additionalProperties":false,"required":["outcome","score"],
    "properties":{"outcome":{"type":"string","enum":["STRONG_MATCH","NO_MATCH"]},
                  "score":{"type":"number","minimum":0,"maximum":1}}})");
  return read;
}

constexpr std::string_view right = R"({"outcome":"STRONG_MATCH","score":0.7})";

/// The document, or what was wrong.
std::string read(std::string_view text, std::string_view finish_reason = "stop") {
  auto const result = read_structured(finish_reason, text, shape(), [](auto const&) { return std::nullopt; });
  CHECK(result.document.empty() != result.wrong.empty());
  return result.document.empty() ? result.wrong : result.document;
}

}  // namespace

TEST_CASE("a right answer is accepted whatever stands around it") {
  std::string const answer{right};
  CHECK(read(answer) == right);
  CHECK(read("Here it is:\n```json\n" + answer + "\n```\nAnything else?") == right);
  CHECK(read("```\n" + answer + "\n```") == right);
  CHECK(read("\xEF\xBB\xBF" + answer) == right);
  CHECK(read("~~~\n" + answer + "\n~~~") == right);
  CHECK(read("The set {a, b} and {} say: " + answer + " {sic}") == right);
  CHECK(read("[" + answer + "]") == right);
  CHECK(read(R"({"outcome":"strong match","score":0.7,"explanation":{"score":0.1},"note":"}{"})") == right);
  CHECK(read("{\"outcome\":\"Strong-Match\",\n\"score\":0.7, \"note\": \"two\nlines\"}") == right);
  CHECK(read(answer, "") == right);
  CHECK(read(answer, "tool_calls") == right);
}

TEST_CASE("of several objects the only one that fits is the answer") {
  std::string const answer{right};
  CHECK(read(R"(For {"outcome":"?"} I say )" + answer) == right);
  CHECK(read(answer + "\n" + answer) == right);
  CHECK(read(answer + R"( {"score":0.70,"outcome":"NO_MATCH"})") == "the answer holds two different objects that fit");
  CHECK(read(answer + " " + answer + R"( or {"score":0.2,"outcome":"NO_MATCH"} )" + answer) ==
        "the answer holds two different objects that fit");
}

TEST_CASE("an object within another one, or in one that does not end, is no answer") {
  std::string const answer{right};
  CHECK(read(R"({"outcome":"NO_MATCH","score":8.5,"other":)" + answer + "}") == "score must be a number from 0 to 1");
  CHECK(read(R"({"list":[)" + answer) == "the answer holds no complete JSON object");
  CHECK(read(answer.substr(0, answer.size() - 1)) == "the answer holds no complete JSON object");
  CHECK(read(R"({"text":")" + answer) == "the answer holds no complete JSON object");
}

TEST_CASE("what is not JSON is not guessed at") {
  for (auto const* const wrong :
       {R"({"outcome":"NO_MATCH","score":NaN})", R"({"outcome":"NO_MATCH","score":Infinity})",
        R"({"outcome":"NO_MATCH","score":0.7,})", R"({"outcome":"NO_MATCH","score":.7})",
        R"({'outcome':'NO_MATCH','score':0.7})", R"({"outcome":"NO_MATCH","score":0.7,"score":0.9})",
        R"({"outcome":"NO_MATCH" "score":0.7})", "", "0.7", "null", R"("{\"outcome\":\"NO_MATCH\",\"score\":0.7}")",
        "I would say 0.7."})
    CHECK_MESSAGE(read(wrong).starts_with("the "), wrong);
}

TEST_CASE("an answer that was cut or filtered is not read, even if it is complete") {
  CHECK(read(right, "length") == "the answer was cut at its longest length");
  CHECK(read(right, "MAX_TOKENS") == "the answer was cut at its longest length");
  CHECK(read(R"({"outcome":"STRONG_MATCH","score":0.7,"insights":[{"a":1},{"b")", "length").find("cut") !=
        std::string::npos);
  CHECK(read(right, "content_filter") == "the answer was ended by the content filter");
  CHECK(read(right, "SAFETY") == "the answer was ended by the content filter");
  CHECK(read(right, "refusal") == "the model refused to answer");
  CHECK(read(right, "network_error") == "the answer was ended by an error");
  auto const accept = [](auto const&) { return std::nullopt; };
  CHECK(read_structured("length", right, shape(), accept).cut);
  CHECK(read_structured("refusal", right, shape(), accept).refused);
}

TEST_CASE("size and depth have limits") {
  CHECK(read(std::string(300'000, ' ') + std::string{right}) == "the answer is too long to be read");
  std::string deep;
  for (int i = 0; i < 20; ++i) deep += R"({"a":)";
  deep += "1" + std::string(20, '}');
  CHECK(read(deep) == "the document is nested deeper than 16 levels");
  CHECK(read(std::string(200'000, '{')) == "the answer holds no complete JSON object");
  std::string many;
  for (int i = 0; i < 20'000; ++i) many += "{\"a\":1} ";
  CHECK(read(many) == "the answer holds too many objects");
}

TEST_CASE("what else must hold decides which object is the answer") {
  auto const accept = [](std::string const& document) -> std::optional<json::DecodeError> {
    if (document.find("0.7") != std::string::npos) return json::DecodeError{"score", "must not be 0.7"};
    return std::nullopt;
  };
  CHECK(read_structured("stop", right, shape(), accept).wrong == "score must not be 0.7");
  CHECK(read_structured("stop", std::string{right} + R"({"outcome":"no match","score":0})", shape(), accept).document ==
        R"({"outcome":"NO_MATCH","score":0})");
}

TEST_CASE("a text is shortened between characters") {
  CHECK(first_characters("äöü", 2) == "äö");
  CHECK(first_characters("abc", 3) == "abc");
  CHECK(first_characters("a😀b", 2) == "a😀");
  CHECK(first_characters("", 2).empty());
}
