#include "workers/gateway/door/idempotency.hpp"

#include "hash/hash.hpp"
#include "observability/log.hpp"
#include "workers/gateway/door/refusal.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace omnibus::gateway {
namespace asio = boost::asio;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

namespace {

/// "omnibus", "idemp": the namespace of events from requests with an Idempotency-Key.
constexpr Uuid key_space{
    {0x6f, 0x6d, 0x6e, 0x69, 0x62, 0x75, 0x50, 0x00, 0x80, 0x00, 0x69, 0x64, 0x65, 0x6d, 0x70, 0x00}};

constexpr auto first_pause = 10ms;
constexpr auto longest_pause = 200ms;

}  // namespace

Uuid event_id_of(std::string_view domain, std::string_view idempotency_key) {
  std::string name(domain);
  name.push_back('\0');
  name.append(idempotency_key);
  return name_uuid(key_space, name);
}

std::string_view check_idempotency_key(std::string_view value) {
  auto const visible = std::all_of(value.begin(), value.end(), [](char c) { return c > ' ' && c <= '~'; });
  if (value.empty() || value.size() > 255 || !visible)
    throw Refusal::invalid("Idempotency-Key", "It must have 1 to 255 visible ASCII characters");
  return value;
}

Fingerprint fingerprint(std::initializer_list<std::string_view> parts) {
  std::string text;
  for (auto const part : parts) {
    text += std::to_string(part.size());
    text += ':';
    text += part;
  }
  return sha256(text);
}

Task<> Idempotency::once(IdempotencyClaim claim, std::function<Task<>()> publish) {
  auto const deadline = Clock::now() + wait_;
  auto const executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor);
  for (Clock::duration pause = first_pause;; pause = std::min<Clock::duration>(pause * 2, longest_pause)) {
    auto attempt = store_.claim(claim, lease_);
    auto const outcome = co_await std::move(attempt);
    if (outcome == ClaimOutcome::published) co_return;
    if (outcome == ClaimOutcome::other_request)
      throw Refusal(422, "The Idempotency-Key was used before",
                    "It came with another body; a new request needs a new key", "Idempotency-Key");
    if (outcome == ClaimOutcome::conversation_closed) throw Refusal::closed();
    if (outcome == ClaimOutcome::consent_required) throw Refusal::consent_required();
    if (outcome == ClaimOutcome::claimed) break;
    if (Clock::now() >= deadline)
      throw Refusal::unavailable("The first request with this Idempotency-Key has not ended yet", 1s);
    timer.expires_after(pause);
    auto wait = timer.async_wait(asio::use_awaitable);
    co_await std::move(wait);
  }

  std::exception_ptr failure;
  try {
    auto publishing = publish();
    co_await std::move(publishing);
  } catch (...) {
    failure = std::current_exception();
  }
  // If this write fails, the caller still knows the event's outcome: a claim that stays behind expires, and
  // the next holder publishes the same id.
  try {
    auto noting = failure ? store_.release(claim, lease_) : store_.mark_published(claim);
    co_await std::move(noting);
  } catch (std::exception const& error) {
    log::warn("the outcome of an idempotency claim could not be noted", {{"reason", error.what()}});
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace omnibus::gateway
