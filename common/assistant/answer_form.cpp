#include "assistant/answer_form.hpp"

#include "assistant/form_texts.hpp"
#include "json/encode.hpp"
#include "json/members.hpp"

#include <algorithm>
#include <map>
#include <stdexcept>
#include <utility>

namespace omnibus::assistant {
namespace {

/// The schema for the wire: without its address, which providers need not know.
std::string schema_for_wire(std::string_view schema) {
  std::string text;
  json::each_member(schema, {}, [&](json::Member const& member) -> std::optional<json::DecodeError> {
    if (member.name == "$schema" || member.name == "$id") return std::nullopt;
    text += text.empty() ? '{' : ',';
    json::append_string(text, member.name);
    text.append(":").append(member.text);
    return std::nullopt;
  });
  return text + '}';
}

}  // namespace

AnswerForm::AnswerForm(std::string name, std::string schema)
    : name_{std::move(name)}, schema_{std::move(schema)}, shape_{read_shape(schema_)} {}

AnswerForm const& AnswerForm::named(std::string_view name) {
  static auto const forms = [] {
    std::map<std::string, AnswerForm, std::less<>> all;
    for (auto const& [known, schema] : form_texts())
      all.emplace(known, AnswerForm{std::string{known}, std::string{schema}});
    return all;
  }();
  auto const found = forms.find(name);
  if (found == forms.end()) throw std::invalid_argument("there is no schemas/answers/" + std::string{name} + ".json");
  return found->second;
}

std::string AnswerForm::response_format() const {
  auto name = name_;
  std::replace(name.begin(), name.end(), '.', '_');  // providers take letters, digits, hyphens and underscores
  std::string text = R"({"type":"json_schema","json_schema":{"name":)";
  json::append_string(text, name);
  return text + R"(,"strict":true,"schema":)" + schema_for_wire(schema_) + "}}";
}

}  // namespace omnibus::assistant
