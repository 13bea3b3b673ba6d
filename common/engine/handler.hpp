/// What a developer writes: a handler for typed events.
#pragma once

#include "concurrency/task.hpp"
#include "engine/context.hpp"
#include "engine/engine.hpp"
#include "json/decode.hpp"

#include <concepts>
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
void pass_over(Context& context, std::string_view type);

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

/// A handler that does not wait: its function is none of coroutines.
template <class H, class Event>
concept HandlesAtOnce = requires(H& handler, Context& context, Event const& event) {
  { handler.handle(context, event) } -> std::same_as<void>;
};

/// Decodes an event and hands it to the handler's function for its type. `H` has
/// `using Events = EventList<...>` and for each of them `Task<> handle(Context&, Event const&)`; a handler that never
/// waits has `void handle(Context&, Event const&)` for all of them, which costs no coroutine. An event of the topic
/// that the handler does not list is passed over; one that no topic knows, or that does not decode, is dead-lettered
/// with a reason that names the field.
template <class H>
class HandlerWork : public Work {
 public:
  explicit HandlerWork(H& handler) : handler_{handler} {}

  Task<> handle(Context& context) override { return start(context, typename H::Events{}); }
  bool never_waits() const override { return at_once(typename H::Events{}); }
  void handle_now(Context& context) override { finish(context, typename H::Events{}); }

 private:
  template <class... Events>
  static constexpr bool at_once(EventList<Events...>) {
    return (HandlesAtOnce<H, Events> && ...);
  }

  // No coroutine: one frame less for each event that is waited with.
  template <class... Events>
  Task<> start(Context& context, EventList<Events...> events) {
    if constexpr (at_once(events)) {
      finish(context, events);
      return nothing();
    } else {
      auto const type = context.event().type;
      Task<> chosen;
      auto const matched = ((type == Events::type && (chosen = decode_and_handle<Events>(context), true)) || ...);
      if (matched) return chosen;
      pass_over(context, type);
      return nothing();
    }
  }

  static Task<> nothing() { co_return; }

  template <class... Events>
  void finish(Context& context, EventList<Events...> events) {
    if constexpr (at_once(events)) {
      auto const type = context.event().type;
      auto const matched = ((type == Events::type && (handler_.handle(context, decode<Events>(context)), true)) || ...);
      if (!matched) pass_over(context, type);
    }
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
