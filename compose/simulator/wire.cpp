#include "compose/simulator/wire.hpp"

#include "compose/simulator/answer.hpp"

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

/// The tool to call: the requested one; else, if the question has a fact, the one that stores context; else the first
/// whose name shares a word with the question.
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
  auto const changes = changed_fact(question.text).has_value();
  for (auto const& tool : tools->get_array()) {
    auto const* const entry = tool.if_object();
    auto const* const value = entry != nullptr ? entry->if_contains("function") : nullptr;
    auto const* const function = value != nullptr ? value->if_object() : nullptr;
    if (function == nullptr) throw BadRequest("a tool needs a function", "tools");
    auto const name = text_of(*function, "name");
    auto const free = (demanded.empty() || demanded == "auto") && named.empty();
    auto const fits = changes ? name.find("add_context") != std::string_view::npos : shares_a_word(question.text, name);
    if (!(demanded == "required" || (!named.empty() && named == name) || (free && fits))) continue;
    question.tool = name;
    question.tool_arguments = arguments_for(*function, question.text);
    return;
  }
}

json::object frame(Answer const& answer, std::string_view object) {
  json::object document;
  document["id"] = answer.id;
  document["object"] = object;
  document["created"] = answer.created;
  document["model"] = answer.model;
  return document;
}

json::object usage_of(Answer const& answer) {
  json::object usage;
  usage["prompt_tokens"] = answer.prompt_tokens;
  usage["completion_tokens"] = answer.completion_tokens;
  usage["total_tokens"] = answer.prompt_tokens + answer.completion_tokens;
  usage["prompt_tokens_details"] = {{"cached_tokens", 0}};
  usage["completion_tokens_details"] = {{"reasoning_tokens", 0}};
  return usage;
}

std::string call_id(Answer const& answer) {
  return "call_" + answer.id.substr(answer.id.find('-') + 1);
}

std::string chunk(Answer const& answer, json::object delta, std::string_view finish_reason, bool include_usage) {
  auto document = frame(answer, "chat.completion.chunk");
  json::object choice;
  choice["index"] = 0;
  choice["delta"] = std::move(delta);
  choice["finish_reason"] = finish_reason.empty() ? json::value(nullptr) : json::value(finish_reason);
  document["choices"] = json::array{std::move(choice)};
  if (include_usage) document["usage"] = nullptr;
  return json::serialize(document);
}

}  // namespace

Question read_question(std::string_view body) {
  json::error_code error;
  auto const document = json::parse({body.data(), body.size()}, error);
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
  for (auto const& entry : messages->get_array()) {
    auto const* const message = entry.if_object();
    auto const role = message != nullptr ? text_of(*message, "role") : std::string_view{};
    if (role.empty()) throw BadRequest("every message needs a role", "messages");
    auto content = content_of(*message);
    question.prompt_tokens += 4 + count_tokens(content);
    question.prompt_hash = stable_hash(content, question.prompt_hash ^ stable_hash(role));
    question.tool_result.clear();
    if (role == "user") question.text = std::move(content);
    if (role == "tool") question.tool_result = std::move(content);
  }
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
  return question;
}

std::string whole_answer(Answer const& answer) {
  auto document = frame(answer, "chat.completion");
  json::object message;
  message["role"] = "assistant";
  message["content"] = answer.tool.empty() ? json::value(answer.text) : json::value(nullptr);
  message["refusal"] = nullptr;
  if (!answer.tool.empty()) {
    message["tool_calls"] = json::array{{{"id", call_id(answer)},
                                         {"type", "function"},
                                         {"function", {{"name", answer.tool}, {"arguments", answer.tool_arguments}}}}};
  }
  json::object choice;
  choice["index"] = 0;
  choice["message"] = std::move(message);
  choice["logprobs"] = nullptr;
  choice["finish_reason"] = answer.finish_reason;
  document["choices"] = json::array{std::move(choice)};
  document["usage"] = usage_of(answer);
  return json::serialize(document);
}

std::vector<std::string> answer_chunks(Answer const& answer, bool include_usage) {
  std::vector<std::string> chunks;
  chunks.push_back(chunk(answer, {{"role", "assistant"}, {"content", ""}}, {}, include_usage));
  if (!answer.tool.empty()) {
    json::object function{{"name", answer.tool}, {"arguments", ""}};
    json::object call{{"index", 0}, {"id", call_id(answer)}, {"type", "function"}, {"function", function}};
    chunks.push_back(chunk(answer, {{"tool_calls", json::array{call}}}, {}, include_usage));
    for (auto rest = std::string_view(answer.tool_arguments); !rest.empty();) {
      auto const piece = rest.substr(0, 12);
      rest.remove_prefix(piece.size());
      json::object part{{"index", 0}, {"function", {{"arguments", piece}}}};
      chunks.push_back(chunk(answer, {{"tool_calls", json::array{part}}}, {}, include_usage));
    }
  }
  // A few words at a time, always cut before a blank, so never within a character.
  for (auto rest = std::string_view(answer.text); !rest.empty();) {
    auto const end = std::min(rest.find(' ', std::min<std::size_t>(rest.size(), 24)), rest.size());
    chunks.push_back(chunk(answer, {{"content", rest.substr(0, end)}}, {}, include_usage));
    rest.remove_prefix(end);
  }
  chunks.push_back(chunk(answer, {}, answer.finish_reason, include_usage));
  if (!include_usage) return chunks;
  auto document = frame(answer, "chat.completion.chunk");
  document["choices"] = json::array{};
  document["usage"] = usage_of(answer);
  chunks.push_back(json::serialize(document));
  return chunks;
}

std::string error_body(std::string_view message, std::string_view type, std::string_view parameter,
                       std::string_view code) {
  json::object error;
  error["message"] = message;
  error["type"] = type;
  error["param"] = parameter.empty() ? json::value(nullptr) : json::value(parameter);
  error["code"] = code.empty() ? json::value(nullptr) : json::value(code);
  return json::serialize(json::object{{"error", std::move(error)}});
}

}  // namespace omnibus::simulator
