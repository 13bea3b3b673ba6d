/// The errors of model servers, in the words of each of them. Pure.
#pragma once

#include "llm/llm.hpp"

#include <chrono>
#include <optional>
#include <string_view>

namespace omnibus::llm {

/// Converts an error to LlmError: an HTTP status (0: an error inside an answer) and its body, in any of the forms that
/// are in use. The reason has codes and types of the body, and nothing that somebody wrote.
LlmError error_from(int status, std::string_view body, std::optional<std::chrono::milliseconds> retry_after);

/// Whether a code, a type or a message says that the prompt is too long. @param status as for error_from(): with 429
/// some words mean something else.
bool says_too_long(std::string_view code, std::string_view type, std::string_view message, int status);

}  // namespace omnibus::llm
