#include "workers/gateway/door/waiting.hpp"

#include "observability/log.hpp"
#include "workers/gateway/door/refusal.hpp"

#include <algorithm>
#include <exception>
#include <string_view>
#include <utility>
#include <vector>

namespace omnibus::gateway {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds first_look{20};
constexpr std::chrono::milliseconds longest_look{250};

std::string_view trim(std::string_view text) {
  auto const first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

/// The parts between separators that stand outside of quoted strings.
std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  bool quoted = false;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (quoted && text[i] == '\\')
      ++i;
    else if (text[i] == '"')
      quoted = !quoted;
    else if (!quoted && text[i] == separator) {
      parts.push_back(text.substr(begin, i - begin));
      begin = i + 1;
    }
  }
  parts.push_back(text.substr(begin));
  return parts;
}

/// A number of seconds, as it stands or in quotes; nothing for anything else. One with many digits is the longest.
std::optional<std::chrono::seconds> read_seconds(std::string_view value) {
  if (value.size() >= 2 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
  if (value.empty() || value.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
  std::chrono::seconds seconds{0};
  for (auto const digit : value) seconds = std::min(seconds * 10 + std::chrono::seconds(digit - '0'), longest_wait);
  return seconds;
}

/// The status of a parked event's class.
int status_of(std::string_view error_class) {
  if (error_class.starts_with("unknown_") && error_class != "unknown_type") return 404;
  for (auto const state : {"not_eligible", "illegal_transition", "closed_conversation", "wrong_conversation",
                           "deleted_session", "inactive_tenant"})
    if (error_class == state) return 409;
  if (error_class == "stale_version") return 412;
  for (auto const broken : {"same_person", "invalid_event", "too_large", "implausible", "clock"})
    if (error_class == broken) return 422;
  return 500;
}

}  // namespace

Refusal refusal_of(HandledEvent const& parked) {
  auto const error_class = parked.error_class.value_or("unknown");
  return {status_of(error_class), "The worker could not handle the event",
          "It was parked as a dead letter with the class " + error_class};
}

std::optional<std::chrono::seconds> preferred_wait(http::Headers const& headers) {
  for (auto const& [name, value] : headers) {
    if (!http::equals_ignoring_case(name, "Prefer")) continue;
    for (auto const part : split(value, ',')) {
      auto const preference = split(part, ';').front();
      auto const equals = preference.find('=');
      if (!http::equals_ignoring_case(trim(preference.substr(0, equals)), "wait")) continue;
      if (equals == std::string_view::npos) return std::nullopt;
      auto const seconds = read_seconds(trim(preference.substr(equals + 1)));
      return seconds && *seconds > 0s ? seconds : std::nullopt;
    }
  }
  return std::nullopt;
}

Wait::Wait(Waiting* waiting, std::optional<std::chrono::seconds> seconds)
    : waiting_(waiting), seconds_(seconds), deadline_(Clock::now() + seconds.value_or(0s)) {
  if (waiting_ != nullptr) ++waiting_->taken_;
}

Wait::Wait(Wait&& other) noexcept
    : waiting_(std::exchange(other.waiting_, nullptr)), seconds_(other.seconds_), deadline_(other.deadline_) {}

Wait::~Wait() {
  if (waiting_ != nullptr) --waiting_->taken_;
}

Task<std::optional<HandledEvent>> Wait::handled(std::string worker, Uuid event_key, http::Stream& client) {
  std::optional<HandledEvent> outcome;
  auto const look = [&]() -> Task<bool> {
    auto looking = waiting_->look_(worker, event_key);
    outcome = co_await std::move(looking);
    co_return outcome.has_value();
  };
  auto waiting = until(look, client);
  co_await std::move(waiting);
  co_return outcome;
}

Task<bool> Wait::until(std::function<Task<bool>()> look, http::Stream& client) {
  if (waiting_ == nullptr) co_return false;
  for (auto pause = first_look;; pause = std::min(pause * 2, longest_look)) {
    try {
      auto looking = look();
      auto const found = co_await std::move(looking);
      if (found) co_return true;
    } catch (std::exception const& error) {
      log::info("a waiting request could not look", {{"reason", error.what()}});
    }
    auto const left = std::chrono::ceil<std::chrono::milliseconds>(deadline_ - Clock::now());
    if (left <= 0ms || client.closed()) co_return false;
    auto waiting = client.wait(std::min(pause, left));
    co_await std::move(waiting);
  }
}

void Wait::apply(http::Response& response) const {
  if (seconds_) response.headers.set("Preference-Applied", "wait=" + std::to_string(seconds_->count()));
}

Wait Waiting::begin(http::Request const& request) {
  auto const seconds = preferred_wait(request.headers);
  if (!seconds) return {nullptr, seconds};
  if (taken_ >= most_)
    throw Refusal::unavailable("Too many requests wait for a worker; send it again later, or without Prefer: wait");
  return {this, seconds};
}

}  // namespace omnibus::gateway
