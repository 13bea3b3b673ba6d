#include "workers/notify/providers/provider_call.hpp"

#include "http/retry_after.hpp"

#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>

namespace omnibus::notify {
namespace {

SendResult ended(http::ClientError const& error) {
  if (error.sent()) return Unknown{error.what()};
  Refused refused;
  refused.kind = Refused::Kind::transient;
  refused.reason = error.what();
  refused.of_provider = error.kind() != http::ClientError::Kind::cancelled;
  refused.code = refused.of_provider ? refusal::not_connected : refusal::cancelled;
  return refused;
}

}  // namespace

Task<CallOutcome> call(http::Client& client, http::ClientRequest request) {
  request.max_response_bytes = max_answer_bytes;
  CallOutcome outcome;
  try {
    auto fetching = client.fetch(request);
    request = {};
    outcome.answer = co_await std::move(fetching);
  } catch (http::ClientError const& error) {
    outcome.without_answer = ended(error);
  } catch (std::invalid_argument const& error) {  // before anything is sent: an invalid header
    outcome.without_answer = Refused{Refused::Kind::permanent, std::string(refusal::invalid_message), error.what()};
  } catch (std::exception const& error) {
    outcome.without_answer = Unknown{error.what()};
  }
  co_return outcome;
}

SendResult by_status(http::Response const& answer) {
  auto const status = answer.status;
  auto reason = fmt::format("HTTP {}", status);
  if (status < 300 || status >= 500 || status == 408 || status == 409) return Unknown{std::move(reason)};
  Refused refused;
  refused.code = fmt::format("http_{}", status);
  refused.reason = std::move(reason);
  refused.retry_after = retry_after(answer);
  // A wrong address or wrong credentials are not the message's fault.
  refused.of_provider =
      status < 400 || status == 401 || status == 403 || status == 404 || status == 405 || status == 407;
  auto const later = refused.of_provider || status == 425;
  refused.kind = status == 429 ? Refused::Kind::throttled : later ? Refused::Kind::transient : Refused::Kind::permanent;
  return refused;
}

std::optional<std::chrono::milliseconds> retry_after(http::Response const& answer) {
  return http::parse_retry_after(std::nullopt, answer.headers.find("retry-after"), std::chrono::system_clock::now());
}

std::string code_word(std::string_view text) {
  std::string word;
  for (auto const c : text) {
    auto const known =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
    if (known && word.size() < 32) word += c;
  }
  return word;
}

bool is_message_id(std::string_view text) {
  return !text.empty() && text.size() <= 256 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

http::Url address_of(std::string_view base_url, std::string_view path, std::string_view setting) {
  auto const last = base_url.find_last_not_of('/');
  auto url = http::parse_url(std::string(base_url.substr(0, last + 1)).append(path));
  if (!url) throw std::invalid_argument(fmt::format("not an http(s) address: set {}", setting));
  return std::move(*url);
}

}  // namespace omnibus::notify
