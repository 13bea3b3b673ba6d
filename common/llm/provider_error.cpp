#include "llm/provider_error.hpp"

#include "json/loose.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string>
#include <system_error>

#include <fmt/format.h>

namespace omnibus::llm {
namespace {

using Kind = LlmError::Kind;
using json::LooseReader;

constexpr std::size_t longest_message = 16 * 1024;  // of which words are looked for
constexpr std::size_t deepest_error = 4;            // errors within errors, as gateways pack them

constexpr std::array<std::string_view, 12> too_long_codes{"context_length_exceeded",
                                                          "exceed_context_size_error",
                                                          "string_above_max_length",
                                                          "tokens_limit_reached",
                                                          "request_too_large",
                                                          "context_window_exceeded",
                                                          "prompt_too_long",
                                                          "input_too_long",
                                                          "max_context_length_exceeded",
                                                          "contextwindowexceedederror",
                                                          "model_max_prompt_tokens_exceeded",
                                                          "model_context_window_exceeded"};

/// In lower case. Each is how at least one server puts it.
constexpr std::array<std::string_view, 40> too_long_words{
    "context length",              // OpenAI, vLLM, SGLang, LM Studio, Ollama, DeepSeek, Mistral, OpenRouter
    "context window",              // Workers AI, MiniMax, LiteLLM
    "contextwindow",               // LiteLLM's names of errors
    "context size",                // llama.cpp
    "context limit",               // Anthropic
    "maximum context",             // Databricks
    "max context",                 // Ollama, llama.cpp
    "exceed_context_size",         // llama.cpp
    "prompt is too long",          // Anthropic, Fireworks, AI21
    "prompt too long",             // Ollama, Zhipu
    "prompt is too large",         // Mistral
    "prompt is too big",           // llama.cpp
    "input is too long",           // Bedrock
    "input too long",              // Hugging Face
    "input is too large",          // llama.cpp
    "input length exceeds",        // TGI
    "input is larger than",        // llama.cpp
    "too large for model",         // Mistral
    "too many input tokens",       // Bedrock
    "max input tokens",            // Bedrock
    "maximum input length",        // TensorRT-LLM
    "maximum prompt length",       // xAI
    "maximum model length",        // vLLM
    "max_model_len",               // vLLM
    "longer than the maximum",     // vLLM
    "longer than the model",       // SGLang
    "max_new_tokens` must be",     // TGI, Together
    "inputs` must have less",      // TGI
    "inputs must have less",       // TGI
    "input token count",           // Gemini
    "input tokens exceed",         // OpenAI
    "exceeds max length",          // Zhipu
    "exceeded model token limit",  // Moonshot
    "reduce the length",           // OpenAI, Groq, Cerebras
    "request too large for",       // OpenAI and Groq: above the limit of a minute, and so above it for ever
    "reduce your message size",    // Groq
    "request body too large for",  // GitHub Models
    "range of input length",       // DashScope
    "expected maxlength",          // Bedrock's Titan
    "tokens must be reduced",      // OpenAI
};

/// The same where the status is not 429, which speaks of tokens in a time.
constexpr std::array<std::string_view, 3> too_long_unless_limited{
    "too many tokens",  // Cohere
    "token limit",      // MiniMax
    "too many total text bytes",
};

/// What an error says, gathered from all the forms that servers give it.
struct ErrorText {
  std::string code, type, message;
};

bool holds(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

std::string in_lower_case(std::string_view text) {
  std::string lower(text.substr(0, longest_message));
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return lower;
}

/// A code or type, safe for logs: the letters of an identifier, and no free text.
std::string word(std::string_view value) {
  constexpr std::size_t longest = 64;
  if (value.size() >= 2 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
  auto const is_known = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.';
  };
  if (value == "null" || value.size() > longest || !std::all_of(value.begin(), value.end(), is_known)) return {};
  return std::string{value};
}

/// The status of an HTTP error, if the text is one.
std::optional<int> http_status(std::string_view text) {
  int status = 0;
  auto const [end, failed] = std::from_chars(text.data(), text.data() + text.size(), status);
  if (failed != std::errc{} || end != text.data() + text.size() || status < 400 || status > 599) return std::nullopt;
  return status;
}

void read_error(LooseReader& reader, ErrorText& error, std::size_t depth);

/// A message: text, which may be JSON of the server behind a gateway, or something that holds it.
void read_message_of(LooseReader& reader, ErrorText& error, std::size_t depth) {
  std::string text;
  if (!reader.string(text)) text = reader.raw();
  if (error.message.size() < longest_message) error.message.append(" ").append(text);
  LooseReader packed(text);
  if (packed.peek() == '{') read_error(packed, error, depth + 1);
}

void read_error(LooseReader& reader, ErrorText& error, std::size_t depth) {
  if (depth > deepest_error) {
    reader.skip();
    return;
  }
  auto const first = reader.peek();
  if (first == '[') {
    reader.array([&] { read_error(reader, error, depth + 1); });
    return;
  }
  if (first != '{') return read_message_of(reader, error, depth);
  reader.object([&](std::string_view key) {
    if (key == "error" || key == "errors") {
      read_error(reader, error, depth + 1);
    } else if (key == "code") {
      if (auto code = word(reader.raw()); !code.empty()) error.code = std::move(code);
    } else if (key == "type" || key == "error_type" || key == "status") {
      auto type = word(reader.raw());
      if (!type.empty() && (error.type.empty() || error.type == "error")) error.type = std::move(type);
    } else if (key == "message" || key == "detail" || key == "msg" || key == "metadata" || key == "title") {
      read_message_of(reader, error, depth);
    }
  });
}

ErrorText read_error_text(std::string_view body) {
  ErrorText error;
  LooseReader reader(body);
  auto const first = reader.peek();
  if (first == '{' || first == '[') {
    read_error(reader, error, 0);
  } else if (first != '<') {
    error.message = body.substr(0, longest_message);
  }
  if (error.type == "error") error.type.clear();
  return error;
}

}  // namespace

bool says_too_long(std::string_view code, std::string_view type, std::string_view message, int status) {
  auto const is_either = [&](std::string_view name) {
    return in_lower_case(code) == name || in_lower_case(type) == name;
  };
  if (std::any_of(too_long_codes.begin(), too_long_codes.end(), is_either)) return true;
  auto const lower = in_lower_case(message);
  auto const is_held = [&](std::string_view words) { return holds(lower, words); };
  if (std::any_of(too_long_words.begin(), too_long_words.end(), is_held)) return true;
  return status != 429 && std::any_of(too_long_unless_limited.begin(), too_long_unless_limited.end(), is_held);
}

LlmError error_from(int status, std::string_view body, std::optional<std::chrono::milliseconds> retry_after) {
  auto const error = read_error_text(body);
  auto const& code = error.code;
  auto const& type = error.type;
  auto const either = [&](std::string_view name) { return code == name || type == name; };
  if (status == 0) status = http_status(code).value_or(0);  // some servers put it there
  if (status == 0) status = http_status(type).value_or(0);  // or into `status`
  auto reason = status == 0 ? std::string("error in the stream") : fmt::format("HTTP {}", status);
  if (!type.empty()) reason += " " + type;
  if (!code.empty() && code != type) reason += " " + code;
  auto const as = [&](Kind kind) { return LlmError(kind, reason, retry_after); };

  if (says_too_long(code, type, error.message, status)) return as(Kind::context_length);
  if (either("insufficient_quota") || either("billing_hard_limit_reached") || status == 402) return as(Kind::quota);
  if (either("content_filter") || either("content_policy_violation")) return as(Kind::content_filter);
  if (status == 429 || either("rate_limit_exceeded") || either("rate_limit_error")) return as(Kind::rate_limited);
  if (status == 408 || status == 504) return as(Kind::timeout);
  if (status == 0 || status == 409 || status == 425 || status >= 500) return as(Kind::unavailable);
  if (status == 413) return as(Kind::context_length);
  if (status >= 400) return as(Kind::invalid_request);
  return as(Kind::protocol);
}

}  // namespace omnibus::llm
