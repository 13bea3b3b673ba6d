#include "compose/simulator/wire.hpp"

#include <algorithm>

#include <boost/json.hpp>

namespace omnibus::simulator {
namespace {

namespace json = boost::json;

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

json::object chunk(Answer const& answer, json::object delta, std::string_view finish_reason, bool include_usage) {
  auto document = frame(answer, "chat.completion.chunk");
  json::object choice;
  choice["index"] = 0;
  choice["delta"] = std::move(delta);
  choice["finish_reason"] = finish_reason.empty() ? json::value(nullptr) : json::value(finish_reason);
  document["choices"] = json::array{std::move(choice)};
  if (include_usage) document["usage"] = nullptr;
  return document;
}

/// Takes so many bytes off the front, and the rest of a character that they end in.
std::string_view take_piece(std::string_view& text, std::size_t bytes) {
  auto end = std::min(bytes, text.size());
  while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) ++end;
  auto const piece = text.substr(0, end);
  text.remove_prefix(end);
  return piece;
}

/// Takes a few words off the front: cut before a blank, where there is one.
std::string_view take_words(std::string_view& text) {
  auto const blank = text.find(' ', std::min<std::size_t>(text.size(), 24));
  return take_piece(text, blank > 64 ? 24 : blank);
}

}  // namespace

json::object answer_document(Answer const& answer) {
  auto document = frame(answer, "chat.completion");
  json::object message;
  message["role"] = "assistant";
  message["content"] = answer.calls.empty() && answer.refusal.empty() ? json::value(answer.text) : json::value(nullptr);
  message["refusal"] = answer.refusal.empty() ? json::value(nullptr) : json::value(answer.refusal);
  if (!answer.calls.empty()) {
    auto& calls = message["tool_calls"].emplace_array();
    for (auto const& call : answer.calls) {
      calls.push_back(
          {{"id", call.id}, {"type", "function"}, {"function", {{"name", call.name}, {"arguments", call.arguments}}}});
    }
  }
  json::object choice;
  choice["index"] = 0;
  choice["message"] = std::move(message);
  choice["logprobs"] = nullptr;
  choice["finish_reason"] = answer.finish_reason;
  document["choices"] = json::array{std::move(choice)};
  document["usage"] = usage_of(answer);
  return document;
}

std::vector<json::object> chunk_documents(Answer const& answer, bool include_usage) {
  std::vector<json::object> chunks;
  auto const add = [&](json::object delta) { chunks.push_back(chunk(answer, std::move(delta), {}, include_usage)); };
  add({{"role", "assistant"}, {"content", ""}});
  for (std::size_t index = 0; index < answer.calls.size(); ++index) {
    auto const& call = answer.calls[index];
    json::object function{{"name", call.name}, {"arguments", ""}};
    json::object begun{{"index", index}, {"id", call.id}, {"type", "function"}, {"function", std::move(function)}};
    add({{"tool_calls", json::array{std::move(begun)}}});
    for (auto rest = std::string_view(call.arguments); !rest.empty();) {
      json::object part{{"index", index}, {"function", {{"arguments", take_piece(rest, 12)}}}};
      add({{"tool_calls", json::array{std::move(part)}}});
    }
  }
  auto const* const name = answer.refusal.empty() ? "content" : "refusal";
  for (auto rest = std::string_view(answer.refusal.empty() ? answer.text : answer.refusal); !rest.empty();) {
    add({{name, take_words(rest)}});
  }
  chunks.push_back(chunk(answer, {}, answer.finish_reason, include_usage));
  if (!include_usage) return chunks;
  auto document = frame(answer, "chat.completion.chunk");
  document["choices"] = json::array{};
  document["usage"] = usage_of(answer);
  chunks.push_back(std::move(document));
  return chunks;
}

std::string whole_answer(Answer const& answer) {
  return json::serialize(answer_document(answer));
}

std::vector<std::string> answer_chunks(Answer const& answer, bool include_usage) {
  std::vector<std::string> chunks;
  for (auto const& document : chunk_documents(answer, include_usage)) chunks.push_back(json::serialize(document));
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
