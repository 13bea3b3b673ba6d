/// One request to a provider, and its outcome as far as it is the same for all providers.
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

/// Limits for a provider's response: it is outside input like any other.
inline constexpr std::size_t max_answer_bytes = 512 * 1024;
inline constexpr json::Limits answer_limits{.bytes = max_answer_bytes, .depth = 16, .array_length = 1000};

/// Either a response, or how the sending ended without one.
struct CallOutcome {
  std::optional<http::Response> answer;
  SendResult without_answer = Unknown{};
};

/// Makes one request. Without a response, the outcome is refused when no byte was sent (no address, no connection, no
/// handshake, cancelled before), and unknown from the first byte on. Does not throw.
Task<CallOutcome> call(http::Client& client, http::ClientRequest request);

/// The outcome by the HTTP status alone, without a provider's error code. Unknown for 5xx, which may
/// come after an acceptance, for 408 and 409, and for any status that is not an error.
SendResult by_status(http::Response const& answer);

/// Retry-After of a response, in seconds or as a date.
std::optional<std::chrono::milliseconds> retry_after(http::Response const& answer);

/// A provider's code, safe to store and log: at most 32 letters, digits, `_`, `-` and `.`; others are left out.
std::string code_word(std::string_view text);

/// Whether a provider's message id can be stored and asked for: 1 to 256 printable ASCII characters without spaces.
bool is_message_id(std::string_view text);

/// The address of a setting with a path behind it. @throws std::invalid_argument naming the setting
http::Url address_of(std::string_view base_url, std::string_view path, std::string_view setting);

}  // namespace omnibus::notify
