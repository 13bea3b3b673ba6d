#include "assistant/answer_form.hpp"

#include "assistant/form_texts.hpp"
#include "tests/common/assistant/answer_struct.hpp"
#include "uuid/uuid.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/describe/class.hpp>
#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::assistant;

namespace {

struct Hint {
  std::optional<Uuid> id;
  std::int32_t weight = 0;
};
BOOST_DESCRIBE_STRUCT(Hint, (), (id, weight))

struct Advice {
  std::string text;
  std::vector<Hint> hints;
  bool urgent = false;
};
BOOST_DESCRIBE_STRUCT(Advice, (), (text, hints, urgent))

std::string schema_with(std::string const& text, std::string const& weight) {
  return R"({"type":"object","additionalProperties":false,"required":["text","hints","urgent"],"properties":{
    "text":)" +
         text + R"(,"urgent":{"type":"boolean"},"hints":{"type":"array","items":{"type":"object",
    "additionalProperties":false,"required":["id","weight"],"properties":{
    "id":{"type":["string","null"],"format":"uuid"},"weight":)" +
         weight + "}}}}}";
}

std::string differs(std::string const& text, std::string const& weight) {
  return test::difference(read_shape(schema_with(text, weight)), json::type_of<Advice>);
}

}  // namespace

TEST_CASE("every form that ships can be read, and is found by its name") {
  for (auto const& [name, schema] : form_texts()) CHECK(AnswerForm::named(name).schema() == schema);
}

TEST_CASE("a struct is held against its schema") {
  constexpr auto string = R"({"type":"string"})";
  constexpr auto integer = R"({"type":"integer"})";
  CHECK(differs(string, integer).empty());
  CHECK(differs(integer, integer) == "text: not a whole number");
  CHECK(differs(string, string) == "hints[].weight: not a string");
  CHECK(differs(string, R"({"type":["integer","null"]})").starts_with("hints[].weight: a type with null"));
  auto more = schema_with(string, integer);
  more.replace(more.find("\"urgent\"]"), 9, "\"urgent\",\"more\"]");
  more.replace(more.find("\"urgent\":{"), 9, "\"more\":{\"type\":\"boolean\"},\"urgent\":");
  CHECK(test::difference(read_shape(more), json::type_of<Advice>) == ": has fewer members than the schema");
}
