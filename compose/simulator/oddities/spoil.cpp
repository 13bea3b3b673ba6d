#include "compose/simulator/oddities/spoil.hpp"

#include "http/sse.hpp"

#include <boost/json.hpp>

namespace omnibus::simulator {
namespace {

namespace json = boost::json;

json::object* object_in(json::object* object, char const* name) {
  auto* const value = object != nullptr ? object->if_contains(name) : nullptr;
  return value != nullptr ? value->if_object() : nullptr;
}

}  // namespace

Documents documents_of(UsualAnswer const& usual) {
  if (usual.stream) return chunk_documents(usual.answer, usual.include_usage);
  return {answer_document(usual.answer)};
}

OddReply framed(Documents const& documents, bool stream) {
  OddReply reply{200, stream ? event_stream_headers() : json_headers(), {}};
  if (!stream) {
    reply.body = json::serialize(documents.front());
    return reply;
  }
  for (auto const& document : documents) http::append_sse_event(reply.body, {}, json::serialize(document));
  http::append_sse_event(reply.body, {}, "[DONE]");
  return reply;
}

http::Headers event_stream_headers() {
  return {{"Content-Type", "text/event-stream; charset=utf-8"}, {"Cache-Control", "no-cache"}};
}

http::Headers json_headers() {
  return {{"Content-Type", "application/json"}};
}

json::object* choice_of(json::object& document) {
  auto* const choices = document.if_contains("choices");
  auto* const list = choices != nullptr ? choices->if_array() : nullptr;
  return list != nullptr && !list->empty() ? list->front().if_object() : nullptr;
}

json::object* part_of(json::object& document) {
  auto* const choice = choice_of(document);
  auto* const delta = object_in(choice, "delta");
  return delta != nullptr ? delta : object_in(choice, "message");
}

std::string_view finish_of(json::object& document) {
  auto* const choice = choice_of(document);
  auto* const reason = choice != nullptr ? choice->if_contains("finish_reason") : nullptr;
  if (reason == nullptr || !reason->is_string()) return {};
  return {reason->get_string().data(), reason->get_string().size()};
}

json::string* words_in(json::object& document) {
  auto* const part = part_of(document);
  auto* const content = part != nullptr ? part->if_contains("content") : nullptr;
  auto* const text = content != nullptr ? content->if_string() : nullptr;
  return text != nullptr && !text->empty() ? text : nullptr;
}

json::array* calls_in(json::object& document) {
  auto* const part = part_of(document);
  auto* const calls = part != nullptr ? part->if_contains("tool_calls") : nullptr;
  return calls != nullptr ? calls->if_array() : nullptr;
}

json::object* usage_in(json::object& document) {
  return object_in(&document, "usage");
}

json::object chunk_like(json::object const& chunk, json::object delta) {
  auto other = chunk;
  auto* const choice = choice_of(other);
  (*choice)["delta"] = std::move(delta);
  (*choice)["finish_reason"] = nullptr;
  return other;
}

void finish_with(Documents& documents, std::string_view reason) {
  for (auto& document : documents)
    if (!finish_of(document).empty()) (*choice_of(document))["finish_reason"] = reason;
}

}  // namespace omnibus::simulator
