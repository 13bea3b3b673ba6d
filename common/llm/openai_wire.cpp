#include "llm/openai_wire.hpp"

#include "json/decode.hpp"
#include "json/encode.hpp"
#include "json/raw.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>

#include <boost/describe/class.hpp>
#include <fmt/format.h>

namespace omnibus::llm {
namespace {

using Kind = LlmError::Kind;

using json::append_string;

struct FunctionPart {
  std::optional<std::string> name;
  std::optional<std::string> arguments;
};
BOOST_DESCRIBE_STRUCT(FunctionPart, (), (name, arguments))

struct ToolCallPart {
  std::optional<std::int64_t> index;
  std::optional<std::string> id;
  std::optional<FunctionPart> function;
};
BOOST_DESCRIBE_STRUCT(ToolCallPart, (), (index, id, function))

struct MessagePart {
  std::optional<std::string> content;
  std::optional<std::vector<ToolCallPart>> tool_calls;
};
BOOST_DESCRIBE_STRUCT(MessagePart, (), (content, tool_calls))

struct Choice {
  std::optional<MessagePart> delta;
  std::optional<MessagePart> message;
  std::optional<std::string> finish_reason;
};
BOOST_DESCRIBE_STRUCT(Choice, (), (delta, message, finish_reason))

struct PromptDetails {
  std::optional<std::int64_t> cached_tokens;
};
BOOST_DESCRIBE_STRUCT(PromptDetails, (), (cached_tokens))

struct CompletionDetails {
  std::optional<std::int64_t> reasoning_tokens;
};
BOOST_DESCRIBE_STRUCT(CompletionDetails, (), (reasoning_tokens))

struct UsagePart {
  std::optional<std::int64_t> prompt_tokens;
  std::optional<std::int64_t> completion_tokens;
  std::optional<PromptDetails> prompt_tokens_details;
  std::optional<CompletionDetails> completion_tokens_details;
};
BOOST_DESCRIBE_STRUCT(UsagePart, (),
                      (prompt_tokens, completion_tokens, prompt_tokens_details, completion_tokens_details))

struct Document {
  std::optional<std::string> id;
  std::optional<std::string> model;
  std::optional<std::vector<Choice>> choices;
  std::optional<UsagePart> usage;
  std::optional<json::Raw> error;
};
BOOST_DESCRIBE_STRUCT(Document, (), (id, model, choices, usage, error))

struct ErrorPart {
  std::optional<json::Raw> message;
  std::optional<json::Raw> type;
  std::optional<json::Raw> code;
};
BOOST_DESCRIBE_STRUCT(ErrorPart, (), (message, type, code))

struct ErrorDocument {
  std::optional<json::Raw> error;
};
BOOST_DESCRIBE_STRUCT(ErrorDocument, (), (error))

constexpr std::int64_t max_tool_calls = 128;

Document read(std::string_view text) {
  auto document = json::decode<Document>(text, {.bytes = 16 * 1024 * 1024});
  if (!document)
    throw LlmError(LlmError::Kind::protocol, "the answer has the wrong format: " + document.error().message());
  return std::move(*document);
}

/// A code or type, safe for logs: the letters of an identifier, and no free text.
std::string word(std::optional<json::Raw> const& value) {
  std::string result;
  if (!value || value->text == "null") return result;
  for (auto const c : value->text) {
    auto const known =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    if (known && result.size() < 64) result += c;
  }
  return result;
}

bool holds(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

LlmError classify(int status, ErrorPart const& error, std::optional<std::chrono::milliseconds> retry_after) {
  auto const code = word(error.code);
  auto const type = word(error.type);
  auto const message = error.message ? std::string_view(error.message->text) : std::string_view{};
  auto const either = [&](std::string_view name) { return code == name || type == name; };
  if (status == 0) std::from_chars(code.data(), code.data() + code.size(), status);  // some servers put it there
  auto reason = status == 0 ? std::string("error in the stream") : fmt::format("HTTP {}", status);
  if (!type.empty()) reason += " " + type;
  if (!code.empty() && code != type) reason += " " + code;
  auto const as = [&](Kind kind) { return LlmError(kind, reason, retry_after); };

  if (either("context_length_exceeded") || holds(message, "context length") || holds(message, "context window")) {
    return as(Kind::context_length);
  }
  if (either("insufficient_quota") || either("billing_hard_limit_reached")) return as(Kind::quota);
  if (either("content_filter") || either("content_policy_violation")) return as(Kind::content_filter);
  if (status == 429 || either("rate_limit_exceeded") || either("rate_limit_error")) return as(Kind::rate_limited);
  if (status == 408 || status == 504) return as(Kind::timeout);
  if (status == 0 || status == 409 || status == 425 || status >= 500) return as(Kind::unavailable);
  if (status == 413) return as(Kind::context_length);
  if (status >= 400) return as(Kind::invalid_request);
  return as(Kind::protocol);
}

void append_message(std::string& out, Message const& message) {
  out += "{\"role\":";
  append_string(out, message.role);
  out += ",\"content\":";
  if (message.content.empty() && !message.tool_calls.empty()) {
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
      append_string(out, call.arguments);
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

void take_tool_calls(std::vector<ToolCall>& calls, std::vector<ToolCallPart> const& parts) {
  for (auto const& part : parts) {
    auto const next = static_cast<std::int64_t>(calls.size());
    // Without an index, an id begins a call and its absence continues the last one.
    auto const index = part.index.value_or(part.id || calls.empty() ? next : next - 1);
    if (index < 0 || index > next || index >= max_tool_calls) {
      throw LlmError(LlmError::Kind::protocol, "a tool call's index is out of order");
    }
    if (index == next) calls.emplace_back();
    auto& call = calls[static_cast<std::size_t>(index)];
    if (part.id && !part.id->empty()) call.id = *part.id;
    if (!part.function) continue;
    if (part.function->name) call.name += *part.function->name;
    if (part.function->arguments) call.arguments += *part.function->arguments;
  }
}

}  // namespace

std::string encode_request(ChatRequest const& request, std::string_view max_tokens_field) {
  std::string out;
  std::size_t size = 256;
  for (auto const& message : request.messages) size += message.content.size() + message.content.size() / 16 + 64;
  out.reserve(size);
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
  return out;
}

std::string AnswerAssembler::take_chunk(std::string_view json) {
  auto document = read(json);
  if (document.error && document.error->text != "null") throw error_from(0, json, {});
  if (document.id && completion_.response_id.empty()) completion_.response_id = std::move(*document.id);
  if (document.model && !document.model->empty()) completion_.model = std::move(*document.model);
  if (document.usage) {
    auto const& usage = *document.usage;
    has_usage_ = usage.prompt_tokens && usage.completion_tokens;
    completion_.usage.input = usage.prompt_tokens.value_or(0);
    completion_.usage.output = usage.completion_tokens.value_or(0);
    if (usage.prompt_tokens_details) {
      completion_.usage.cached = usage.prompt_tokens_details->cached_tokens.value_or(0);
    }
    if (usage.completion_tokens_details) {
      completion_.usage.reasoning = usage.completion_tokens_details->reasoning_tokens.value_or(0);
    }
  }
  std::string piece;
  if (!document.choices || document.choices->empty()) return piece;
  auto& choice = document.choices->front();
  if (choice.finish_reason) completion_.finish_reason = std::move(*choice.finish_reason);
  auto& part = choice.delta ? choice.delta : choice.message;
  if (!part) return piece;
  if (part->tool_calls) {
    begun_ = begun_ || !part->tool_calls->empty();
    take_tool_calls(completion_.tool_calls, *part->tool_calls);
  }
  if (part->content) piece = std::move(*part->content);
  begun_ = begun_ || !piece.empty();
  completion_.text += piece;
  return piece;
}

void AnswerAssembler::take_whole(std::string_view json) {
  take_chunk(json);
  if (!finished()) throw LlmError(LlmError::Kind::protocol, "the answer has no finished choice");
}

ChatCompletion AnswerAssembler::finish(std::int64_t estimated_input) {
  if (!has_usage_) {
    completion_.usage = {};
    completion_.usage.estimated = true;
    completion_.usage.input = estimated_input;
    completion_.usage.output = estimate_tokens(completion_.text);
    for (auto const& call : completion_.tool_calls) completion_.usage.output += estimate_tokens(call.arguments);
  }
  return std::move(completion_);
}

std::int64_t estimate_input(ChatRequest const& request) {
  std::int64_t tokens = 0;
  for (auto const& message : request.messages) {
    tokens += 4 + estimate_tokens(message.content);
    for (auto const& call : message.tool_calls) tokens += estimate_tokens(call.arguments);
  }
  for (auto const& tool : request.tools) tokens += estimate_tokens(tool.description) + estimate_tokens(tool.parameters);
  return tokens;
}

LlmError error_from(int status, std::string_view body, std::optional<std::chrono::milliseconds> retry_after) {
  ErrorPart part;
  if (auto const document = json::decode<ErrorDocument>(body); document && document->error) {
    auto const& raw = document->error->text;
    if (auto object = json::decode<ErrorPart>(raw)) {
      part = std::move(*object);
    } else {
      part.message = *document->error;
    }
  }
  return classify(status, part, retry_after);
}

}  // namespace omnibus::llm
