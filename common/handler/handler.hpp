/// The interface for workers: a handler for typed events.
#pragma once

#include "concurrency/task.hpp"
#include "handler/context.hpp"
#include "handler/failure.hpp"
#include "handler/resources.hpp"
#include "handler/unit_of_work.hpp"
#include "json/decode.hpp"
#include "subjects/subjects.hpp"

#include <concepts>
#include <utility>

namespace omnibus {

/// The events a handler has a `handle` for.
template <class... Events>
struct EventList {};

/// Whether a handler never waits at this event: `handle` returns void instead of a Task, without a coroutine's cost.
template <class H, class Event>
concept HandlesAtOnce = requires(H& handler, Context& context, Event const& event) {
  { handler.handle(context, event) } -> std::same_as<void>;
};

/// Whether a handler takes an event: `Task<> handle(Context&, Event const&)`, or the same returning void.
template <class H, class Event>
concept Handles = HandlesAtOnce<H, Event> || requires(H& handler, Context& context, Event const& event) {
  { handler.handle(context, event) } -> std::same_as<Task<>>;
};

/// Whether a handler writes or publishes something when one of these events is parked as a dead letter:
/// `void gave_up(Context&, Event const&, Failure const&, UnitOfWork&)`. It runs in the transaction that parks the
/// event, on a thread of the pool: its rows and events are committed together with the dead letter. It may run more
/// than once. If it fails permanently, the event is parked without it; after any other failure the event is tried
/// again, the handler included. It is not called for an event that does not decode, in a replay, or for batch handlers.
/// A `gave_up` with other parameters is not found, and never called.
template <class H, class Event>
concept HearsOfGivingUp = requires(H& handler, Context& context, Event const& event, Failure const& failure,
                                   UnitOfWork& unit) {
  handler.gave_up(context, event, failure, unit);
};

/// The event's data as a valid struct. Tells the engine whom the event is about, so that no handler can forget it.
/// @throws Failure (permanent) that names the invalid field.
template <class Event>
Event decode(Context& context) {
  auto decoded = json::decode<Event>(context.data());
  if (!decoded) throw Failure::permanent(decoded.error().message(), "invalid_event");
  if constexpr (requires { validate(*decoded); }) {
    if (auto const invalid = validate(*decoded))
      throw Failure::permanent(invalid->field + " " + invalid->reason, "invalid_event");
  }
  if (context.is_guarded()) {
    if constexpr (NamesSubjects<Event>)
      context.is_about(subjects_of(*decoded, context.key()));
    else
      context.is_about({});
  }
  return *std::move(decoded);
}

}  // namespace omnibus
