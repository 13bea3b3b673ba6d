/// The requests of chat completions. Pure.
#pragma once

#include "llm/llm.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace omnibus::llm {

/// About how many bytes the body of a request has.
std::size_t request_bytes(ChatRequest const& request);
/// Appends the body of a request. `max_tokens_field` names the field for the longest answer.
void append_request(std::string& out, ChatRequest const& request, std::string_view max_tokens_field);
/// The body of a request alone.
std::string encode_request(ChatRequest const& request, std::string_view max_tokens_field);

/// Estimates the tokens of a request's messages, tools and form.
std::int64_t estimate_input(ChatRequest const& request);

}  // namespace omnibus::llm
