#include "compose/simulator/question.hpp"

#include "compose/simulator/answer.hpp"
#include "compose/simulator/structured/prompt_data.hpp"

#include <algorithm>

#include <boost/json.hpp>
#include <fmt/format.h>

namespace omnibus::simulator {
namespace {

namespace json = boost::json;

std::string_view view(json::string const& text) {
  return {text.data(), text.size()};
}

std::string_view text_of(json::object const& object, std::string_view name) {
  auto const* const value = object.if_contains({name.data(), name.size()});
  auto const* const text = value != nullptr ? value->if_string() : nullptr;
  return text != nullptr ? view(*text) : std::string_view{};
}

/// The text of a message, given as a string or in parts.
std::string content_of(json::object const& message) {
  auto const* const content = message.if_contains("content");
  if (content == nullptr || content->is_null()) return {};
  if (auto const* const text = content->if_string()) return std::string(view(*text));
  auto const* const parts = content->if_array();
  if (parts == nullptr) throw BadRequest("content must be a string or an array of parts", "messages");
  std::string joined;
  for (auto const& part : *parts) {
    if (auto const* const object = part.if_object()) joined += text_of(*object, "text");
  }
  return joined;
}

/// Arguments that fit a tool's schema: its required properties, filled with something of their type.
std::string arguments_for(json::object const& function, std::string_view question) {
  json::object arguments;
  auto const* const parameters = function.if_contains("parameters");
  auto const* const schema = parameters != nullptr ? parameters->if_object() : nullptr;
  auto const* const listed = schema != nullptr ? schema->if_contains("properties") : nullptr;
  auto const* const properties = listed != nullptr ? listed->if_object() : nullptr;
  if (properties == nullptr) return "{}";
  auto const* const required = schema->if_contains("required");
  for (auto const& property : *properties) {
    auto const* const description = property.value().if_object();
    if (description == nullptr) continue;
    if (required != nullptr && required->is_array()) {
      auto const& names = required->get_array();
      if (std::find(names.begin(), names.end(), json::value(property.key())) == names.end()) continue;
    }
    auto const type = text_of(*description, "type");
    auto const* const allowed = description->if_contains("enum");
    if (allowed != nullptr && allowed->is_array() && !allowed->get_array().empty()) {
      arguments[property.key()] = allowed->get_array().front();
    } else if (type == "integer" || type == "number") {
      arguments[property.key()] = 1;
    } else if (type == "boolean") {
      arguments[property.key()] = true;
    } else if (type == "array") {
      arguments[property.key()] = json::array();
    } else if (type == "object") {
      json::object facts;
      if (auto const fact = changed_fact(question)) facts[fact->name] = fact->value;
      arguments[property.key()] = std::move(facts);
    } else {
      arguments[property.key()] = topic_of(question);
    }
  }
  return json::serialize(arguments);
}

/// Whether a question shares a word with a tool's name, as "weather" with get_weather.
bool shares_a_word(std::string_view question, std::string_view name) {
  for (auto rest = name; !rest.empty();) {
    auto const end = std::min(rest.find_first_of("_-"), rest.size());
    auto const word = rest.substr(0, end);
    if (word.size() > 3 && question.find(word) != std::string_view::npos) return true;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return false;
}

/// @throws BadRequest if the tool has no function.
json::object const& function_of(json::value const& tool) {
  auto const* const entry = tool.if_object();
  auto const* const value = entry != nullptr ? entry->if_contains("function") : nullptr;
  auto const* const function = value != nullptr ? value->if_object() : nullptr;
  if (function == nullptr) throw BadRequest("a tool needs a function", "tools");
  return *function;
}

bool stores_context(json::value const& tool) {
  return text_of(function_of(tool), "name").find("add_context") != std::string_view::npos;
}

/// The tool to call: the requested one; else, if the question has a fact and a tool stores context, that one; else the
/// first whose name shares a word with the question. Besides, the first other one.
void choose_tool(Question& question, json::object const& request) {
  auto const* const tools = request.if_contains("tools");
  if (tools == nullptr || !tools->is_array() || tools->get_array().empty() || !question.tool_result.empty()) return;
  auto const* const choice = request.if_contains("tool_choice");
  auto const demanded = choice != nullptr && choice->is_string() ? view(choice->get_string()) : std::string_view{};
  if (demanded == "none") return;
  std::string_view named;
  if (choice != nullptr && choice->is_object()) {
    auto const* const function = choice->get_object().if_contains("function");
    if (function != nullptr && function->is_object()) named = text_of(function->get_object(), "name");
  }
  auto const& list = tools->get_array();
  auto const stores_fact = changed_fact(question.text) && std::any_of(list.begin(), list.end(), stores_context);
  for (auto const& tool : list) {
    auto const& function = function_of(tool);
    auto const name = text_of(function, "name");
    auto const free = (demanded.empty() || demanded == "auto") && named.empty();
    auto const fits = stores_fact ? stores_context(tool) : shares_a_word(question.text, name);
    auto const chosen = demanded == "required" || (!named.empty() && named == name) || (free && fits);
    auto& call = chosen && !question.call ? question.call : question.second_call;
    if (!call) call = SimulatedCall{{}, std::string{name}, arguments_for(function, question.text)};
  }
  if (!question.second_call) question.second_call = question.call;
}

/// The form that the answer should have.
void read_form(Question& question, json::object const& request) {
  auto const* const wanted = request.if_contains("response_format");
  if (wanted == nullptr || wanted->is_null()) return;
  auto const* const format = wanted->if_object();
  if (format == nullptr) throw BadRequest("response_format must be an object", "response_format");
  auto const type = text_of(*format, "type");
  if (type == "text") return;
  question.form = Question::Form::json_object;
  if (type == "json_object") return;
  if (type != "json_schema")
    throw BadRequest(fmt::format("'{}' is none of text, json_object and json_schema", type), "response_format.type");
  question.form = Question::Form::json_schema;
  auto const* const named = format->if_contains("json_schema");
  auto const* const schema =
      named != nullptr && named->is_object() ? named->get_object().if_contains("schema") : nullptr;
  if (schema == nullptr || !schema->is_object())
    throw BadRequest("json_schema needs a schema", "response_format.json_schema");
  question.schema = *schema;
}

}  // namespace

Question read_question(std::string_view body) {
  json::error_code error;
  json::parse_options parsing;
  parsing.max_depth = 256;  // schemas nest deeply
  auto const document = json::parse({body.data(), body.size()}, error, {}, parsing);
  if (error) throw BadRequest("the body is not JSON", "");
  auto const* const request = document.if_object();
  if (request == nullptr) throw BadRequest("the body must be an object", "");
  Question question;
  question.model = text_of(*request, "model");
  if (question.model.empty()) throw BadRequest("you must provide a model parameter", "model");
  auto const* const messages = request->if_contains("messages");
  if (messages == nullptr || !messages->is_array() || messages->get_array().empty()) {
    throw BadRequest("messages must be an array that is not empty", "messages");
  }
  question.prompt_hash = stable_hash(question.model);
  std::string data;
  std::string background;
  std::string earlier;
  for (auto const& entry : messages->get_array()) {
    auto const* const message = entry.if_object();
    auto const role = message != nullptr ? text_of(*message, "role") : std::string_view{};
    if (role.empty()) throw BadRequest("every message needs a role", "messages");
    auto content = content_of(*message);
    question.prompt_tokens += 4 + count_tokens(content);
    question.prompt_hash = stable_hash(content, question.prompt_hash ^ stable_hash(role));
    question.tool_result.clear();
    data += texts_of_data(content);
    if (role == "user") {
      earlier.insert(0, question.text + '\n');
      question.text = std::move(content);
    } else if (role == "system") {
      background += content.substr(std::min(content.find("\n\n"), content.size()));
    } else if (role == "tool") {
      question.tool_result = std::move(content);
    }
  }
  question.told = data.empty() ? question.text + '\n' + background + '\n' + earlier : std::move(data);
  auto const flag = [](json::object const& object, char const* name) {
    auto const* const value = object.if_contains(name);
    return value != nullptr && value->is_bool() && value->get_bool();
  };
  question.stream = flag(*request, "stream");
  if (auto const* const options = request->if_contains("stream_options"); options != nullptr && options->is_object()) {
    question.include_usage = flag(options->get_object(), "include_usage");
  }
  for (auto const* name : {"max_completion_tokens", "max_tokens"}) {
    auto const* const limit = request->if_contains(name);
    if (limit != nullptr && limit->is_int64() && question.max_tokens == 0) question.max_tokens = limit->get_int64();
  }
  if (question.max_tokens < 0) throw BadRequest("max_completion_tokens must be at least 1", "max_completion_tokens");
  choose_tool(question, *request);
  read_form(question, *request);
  return question;
}

}  // namespace omnibus::simulator
