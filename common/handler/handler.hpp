/// What a developer writes: a handler for typed events.
#pragma once

#include "concurrency/task.hpp"
#include "handler/context.hpp"
#include "handler/failure.hpp"
#include "handler/resources.hpp"
#include "handler/unit_of_work.hpp"
#include "json/decode.hpp"

#include <concepts>
#include <utility>

namespace omnibus {

/// The events a handler has a `handle` for.
template <class... Events>
struct EventList {};

/// Whether a handler never waits at this event: its `handle` returns nothing instead of a Task, and costs no coroutine.
template <class H, class Event>
concept HandlesAtOnce = requires(H& handler, Context& context, Event const& event) {
  { handler.handle(context, event) } -> std::same_as<void>;
};

/// Whether a handler takes an event: `Task<> handle(Context&, Event const&)`, or the same returning void.
template <class H, class Event>
concept Handles = HandlesAtOnce<H, Event> || requires(H& handler, Context& context, Event const& event) {
  { handler.handle(context, event) } -> std::same_as<Task<>>;
};

/// Whether a handler has something to write or publish when one of these events is parked as a dead letter:
/// `void gave_up(Context&, Event const&, Failure const&, UnitOfWork&)`. It runs in the transaction that parks the
/// event, on a thread of the pool: what it writes and publishes takes effect with the dead letter, or not at all. When
/// it fails for good the event is parked without it. There is no call for an event that does not decode, none in a
/// replay, and none for handlers of batches.
template <class H, class Event>
concept HearsOfGivingUp = requires(H& handler, Context& context, Event const& event, Failure const& failure,
                                   UnitOfWork& unit) {
  handler.gave_up(context, event, failure, unit);
};

/// The event's data as its struct, valid. @throws Failure (permanent) naming the field that is not.
template <class Event>
Event decode(Context& context) {
  auto decoded = json::decode<Event>(context.data());
  if (!decoded) throw Failure::permanent(decoded.error().message(), "invalid_event");
  if constexpr (requires { validate(*decoded); }) {
    if (auto const invalid = validate(*decoded))
      throw Failure::permanent(invalid->field + " " + invalid->reason, "invalid_event");
  }
  return *std::move(decoded);
}

}  // namespace omnibus
