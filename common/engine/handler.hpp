/// What a developer writes: a handler for typed events.
#pragma once

#include "concurrency/task.hpp"
#include "engine/context.hpp"
#include "engine/engine.hpp"
#include "json/decode.hpp"

#include <string>
#include <string_view>
#include <utility>

namespace omnibus {

/// The events a handler has a `handle` for.
template <class... Events>
struct EventList {};

namespace engine {

/// What becomes of an event that a handler does not list: one of its topic is passed over.
/// @throws Failure (permanent) for one that this topic does not carry.
Task<> pass_over(Context& context, std::string_view type);

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

/// Decodes an event and hands it to the handler's function for its type. `H` has
/// `using Events = EventList<...>` and for each of them `Task<> handle(Context&, Event const&)`. An event of the topic
/// that the handler does not list is passed over; one that no topic knows, or that does not decode, is dead-lettered
/// with a reason that names the field.
template <class H>
class HandlerWork : public Work {
 public:
  explicit HandlerWork(H& handler) : handler_{handler} {}

  Task<> handle(Context& context) override { return dispatch(context, context.event().type, typename H::Events{}); }

 private:
  template <class... Events>
  Task<> dispatch(Context& context, std::string_view type, EventList<Events...>) {
    Task<> chosen;
    auto const matched = ((type == Events::type && (chosen = decode_and_handle<Events>(context), true)) || ...);
    if (matched) return chosen;
    return pass_over(context, type);
  }

  template <class Event>
  Task<> decode_and_handle(Context& context) {
    auto const event = decode<Event>(context);
    auto handling = handler_.handle(context, event);
    co_await std::move(handling);
  }

  H& handler_;
};

}  // namespace engine
}  // namespace omnibus
