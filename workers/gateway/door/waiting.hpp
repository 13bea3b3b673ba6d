/// Requests that wait until a worker has handled their event: `Prefer: wait=N` (RFC 7240).
#pragma once

#include "concurrency/task.hpp"
#include "http/message.hpp"
#include "http/router.hpp"
#include "uuid/uuid.hpp"
#include "workers/gateway/door/refusal.hpp"
#include "workers/gateway/store.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace omnibus::gateway {

/// The longest wait that a client gets, whatever it prefers.
inline constexpr std::chrono::seconds longest_wait{30};

/// What a client is told whose event was parked with that class: 404 for what the event named and is not there, 409 for
/// a state that does not allow it, 412 for a stale version, 422 for an event that breaks a rule, else 500.
Refusal refusal_of(HandledEvent const& parked);

/// What `Prefer: wait=N` asks for, at most `longest_wait`; nothing without a number above 0. Other preferences are
/// ignored, and so is all but the first `wait`. Pure.
std::optional<std::chrono::seconds> preferred_wait(http::Headers const& headers);

class Waiting;

/// One request's wait. Holds its place among the waiting ones until it is destroyed. Use it on the event loop only.
class Wait {
 public:
  Wait(Wait&& other) noexcept;
  Wait& operator=(Wait&&) = delete;
  ~Wait();

  /// Whether the client prefers to wait.
  bool wanted() const { return seconds_.has_value(); }

  /// Waits until the worker has handled the event, the time is over, the client has gone or the gateway stops. Returns
  /// what became of the event, or nothing when that is not known yet: then answer 202. Returns nothing at once when
  /// the client does not prefer to wait. A database that does not answer delays the result, at most to the end of the
  /// time: the event is published already. `event_key` is `omnibus::event_key` of the published envelope.
  Task<std::optional<HandledEvent>> handled(std::string worker, Uuid event_key, http::Stream& client);

  /// Waits until `look`, which looks once, finds what it looks for; it may throw. Returns false when it does not in the
  /// time, as handled() returns nothing.
  Task<bool> until(std::function<Task<bool>()> look, http::Stream& client);

  /// Tells the client by `Preference-Applied` that its preference was heeded.
  void apply(http::Response& response) const;

 private:
  friend class Waiting;
  Wait(Waiting* waiting, std::optional<std::chrono::seconds> seconds);

  Waiting* waiting_;  // null without a place
  std::optional<std::chrono::seconds> seconds_;
  std::chrono::steady_clock::time_point deadline_;
};

/// Bounds how many requests wait at a time. A waiting request holds no thread: it looks again after 20 ms, then more
/// rarely, at last each 250 ms. Must outlive its waits. Use it on the event loop only.
///
/// ```
/// auto wait = waiting_.begin(request);  // before anything is published
/// ... publish `envelope` ...
/// auto waiting = wait.handled("match", event_key(envelope), stream);
/// auto const handled = co_await std::move(waiting);
/// if (handled && handled->parked()) throw refusal_of(*handled);
/// auto response = handled ? show(...) : accepted(envelope.id);
/// wait.apply(response);
/// auto responding = stream.respond(std::move(response));
/// co_await std::move(responding);
/// ```
class Waiting {
 public:
  /// Looks once for what became of an event: Store::handled.
  using Look = std::function<Task<std::optional<HandledEvent>>(std::string worker, Uuid event_key)>;

  Waiting(std::uint32_t most, Look look) : most_(most), look_(std::move(look)) {}
  Waiting(Waiting const&) = delete;
  Waiting& operator=(Waiting const&) = delete;

  /// Takes a place for a request that prefers to wait. Call it before the event is published, so that a refused
  /// request has no effect. The client's time begins here.
  /// @throws Refusal 503 when `most` requests are waiting.
  Wait begin(http::Request const& request);

  /// Requests that wait now.
  std::uint32_t waiting() const { return taken_; }

 private:
  friend class Wait;

  std::uint32_t most_;
  std::uint32_t taken_ = 0;
  Look look_;
};

}  // namespace omnibus::gateway
