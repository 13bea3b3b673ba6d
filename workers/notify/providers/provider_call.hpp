/// One request to a provider, and what can be said of it without knowing whose it is.
#pragma once

#include "concurrency/task.hpp"
#include "http/client.hpp"
#include "json/limits.hpp"
#include "workers/notify/providers/provider.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace omnibus::notify {

/// What is read of a provider's answer: it is outside input like any other.
inline constexpr std::size_t max_answer_bytes = 512 * 1024;
inline constexpr json::Limits answer_limits{.bytes = max_answer_bytes, .depth = 16, .array_length = 1000};

/// Either an answer, or how the sending ended without one.
struct CallOutcome {
  std::optional<http::Response> answer;
  SendResult without_answer = Unknown{};
};

/// Makes one request. Without an answer it is refused when not a byte left (no address, no connection, no handshake,
/// cancelled before), and unknown from the first byte on. Throws nothing of its own.
Task<CallOutcome> call(http::Client& client, http::ClientRequest request);

/// What an answer means that the provider did not word itself: from its HTTP status alone. Unknown for 5xx, which does
/// not say what had happened before, for 408 and 409, and for anything that is no refusal.
SendResult by_status(http::Response const& answer);

/// Retry-After of an answer, in seconds or as a date.
std::optional<std::chrono::milliseconds> retry_after(http::Response const& answer);

/// A provider's code as it may be stored and logged: at most 32 letters, digits, `_`, `-` and `.`; others are left out.
std::string code_word(std::string_view text);

/// Whether a provider's message id can be stored and asked for: 1 to 256 printable ASCII characters without blanks.
bool is_message_id(std::string_view text);

/// The address of a setting with a path behind it. @throws std::invalid_argument naming the setting
http::Url address_of(std::string_view base_url, std::string_view path, std::string_view setting);

}  // namespace omnibus::notify
