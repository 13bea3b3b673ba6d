#include "llm/openai_wire.hpp"

#include "json/encode.hpp"
#include "json/members.hpp"
#include "text/words.hpp"

#include <cstdint>
#include <iterator>

#include <fmt/format.h>

namespace omnibus::llm {
namespace {

using json::append_string;

void append_message(std::string& out, Message const& message) {
  out += "{\"role\":";
  append_string(out, message.role);
  out += ",\"content\":";
  if (!message.tool_calls.empty() && !has_words(message.content)) {
    out += "null";
  } else {
    append_string(out, message.content);
  }
  if (!message.tool_calls.empty()) {
    out += ",\"tool_calls\":[";
    for (auto const& call : message.tool_calls) {
      if (out.back() != '[') out += ',';
      out += "{\"id\":";
      append_string(out, call.id);
      out += ",\"type\":\"function\",\"function\":{\"name\":";
      append_string(out, call.name);
      out += ",\"arguments\":";
      // Servers that read the arguments refuse a history with others than an object.
      append_string(out, json::is_object(call.arguments) ? std::string_view(call.arguments) : "{}");
      out += "}}";
    }
    out += ']';
  }
  if (!message.tool_call_id.empty()) {
    out += ",\"tool_call_id\":";
    append_string(out, message.tool_call_id);
  }
  out += '}';
}

void append_tool(std::string& out, Tool const& tool) {
  out += "{\"type\":\"function\",\"function\":{\"name\":";
  append_string(out, tool.name);
  if (!tool.description.empty()) {
    out += ",\"description\":";
    append_string(out, tool.description);
  }
  if (!tool.parameters.empty()) out.append(",\"parameters\":").append(tool.parameters);
  out += "}}";
}

}  // namespace

std::size_t request_bytes(ChatRequest const& request) {
  std::size_t size = 256;
  for (auto const& message : request.messages) size += message.content.size() + message.content.size() / 16 + 64;
  return size;
}

void append_request(std::string& out, ChatRequest const& request, std::string_view max_tokens_field) {
  out.reserve(out.size() + request_bytes(request));
  out += "{\"model\":";
  append_string(out, request.model);
  out += ",\"messages\":[";
  for (auto const& message : request.messages) {
    if (out.back() != '[') out += ',';
    append_message(out, message);
  }
  out += ']';
  if (!request.tools.empty()) {
    out += ",\"tools\":[";
    for (auto const& tool : request.tools) {
      if (out.back() != '[') out += ',';
      append_tool(out, tool);
    }
    out += ']';
  }
  if (!request.tool_choice.empty()) {
    out += ",\"tool_choice\":";
    append_string(out, request.tool_choice);
  }
  if (!request.response_format.empty()) out.append(",\"response_format\":").append(request.response_format);
  auto const append = std::back_inserter(out);
  if (request.max_tokens > 0) fmt::format_to(append, ",\"{}\":{}", max_tokens_field, request.max_tokens);
  if (request.temperature) fmt::format_to(append, ",\"temperature\":{}", *request.temperature);
  if (request.seed) fmt::format_to(append, ",\"seed\":{}", *request.seed);
  if (request.stream) out += ",\"stream\":true,\"stream_options\":{\"include_usage\":true}";
  out += '}';
}

std::string encode_request(ChatRequest const& request, std::string_view max_tokens_field) {
  std::string out;
  append_request(out, request, max_tokens_field);
  return out;
}

std::int64_t estimate_input(ChatRequest const& request) {
  std::int64_t tokens = 0;
  for (auto const& message : request.messages) {
    tokens += 4 + estimate_tokens(message.content);
    for (auto const& call : message.tool_calls) tokens += estimate_tokens(call.arguments);
  }
  for (auto const& tool : request.tools) tokens += estimate_tokens(tool.description) + estimate_tokens(tool.parameters);
  return tokens + estimate_tokens(request.response_format);
}

}  // namespace omnibus::llm
