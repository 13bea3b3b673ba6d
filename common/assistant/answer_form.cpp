#include "assistant/answer_form.hpp"

#include "assistant/form_texts.hpp"
#include "json/encode.hpp"
#include "json/loose.hpp"

#include <algorithm>
#include <map>
#include <stdexcept>
#include <utility>

namespace omnibus::assistant {
namespace {

/// A schema as strict providers take it: they refuse the lengths of texts and `uniqueItems`, so these are rules in its
/// description; its address is left out.
class WireSchema {
 public:
  explicit WireSchema(json::LooseReader& reader) : reader_{reader} {}

  std::string write() {
    reader_.object([&](std::string_view key) { member(std::string{key}); });
    if (least_ == "1") rules_.insert(0, "Not empty. ");
    if (!most_.empty()) rules_ += "At most " + most_ + " characters. ";
    if (least_ != "1" && !least_.empty()) rules_ += "At least " + least_ + " characters. ";
    if (!rules_.empty()) rules_.pop_back();
    if (!description_.empty() && !rules_.empty()) description_ += ' ';
    description_ += rules_;
    if (!description_.empty()) {
      begin("description");
      json::append_string(text_, description_);
    }
    return text_ + '}';
  }

 private:
  void member(std::string const& key) {
    if (key == "$schema" || key == "$id" || key == "$comment") return;
    if (key == "description") {
      reader_.string(description_);
    } else if (key == "minLength") {
      least_ = reader_.raw();
    } else if (key == "maxLength") {
      most_ = reader_.raw();
    } else if (key == "uniqueItems") {
      rules_ = "No element twice. ";
    } else if (key == "items") {
      begin(key);
      text_ += WireSchema{reader_}.write();
    } else if (key == "properties") {
      begin(key);
      text_ += '{';
      reader_.object([&](std::string_view name) {
        if (text_.back() != '{') text_ += ',';
        json::append_string(text_, name);
        text_.append(":").append(WireSchema{reader_}.write());
      });
      text_ += '}';
    } else {
      begin(key);
      text_ += reader_.raw();
    }
  }

  void begin(std::string_view key) {
    text_ += text_.empty() ? '{' : ',';
    json::append_string(text_, key);
    text_ += ':';
  }

  json::LooseReader& reader_;
  std::string text_;
  std::string description_;
  std::string rules_;
  std::string least_;
  std::string most_;
};

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
  json::LooseReader reader{schema_};
  return text + R"(,"strict":true,"schema":)" + WireSchema{reader}.write() + "}}";
}

}  // namespace omnibus::assistant
