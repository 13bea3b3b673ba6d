/// What a developer writes: a handler for typed events.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "concurrency/task.hpp"
#include "engine/context.hpp"
#include "engine/engine.hpp"
#include "json/decode.hpp"

namespace omnibus {

/// The events a handler has a `handle` for.
template <class... Events>
struct EventList {};

namespace engine {

/// Whether this event type may stand on this topic; a handler need not know all of them.
bool is_event_of_topic(std::string_view type, std::string_view topic);

/// Decodes an event and hands it to the handler's function for its type. `H` has
/// `using Events = EventList<...>` and for each of them `Task<> handle(Context&, Event const&)`. An event of the topic
/// that the handler does not list is passed over; one that no topic knows, or that does not decode, is dead-lettered
/// with a reason that names the field.
template <class H>
class HandlerWork : public Work {
 public:
  explicit HandlerWork(H& handler) : handler_{handler} {}

  Task<> handle(Context& context) override {
    return dispatch(context, context.event().type, typename H::Events{});
  }

 private:
  template <class... Events>
  Task<> dispatch(Context& context, std::string_view type, EventList<Events...>) {
    Task<> chosen;
    auto const matched = ((type == Events::type && (chosen = decode_and_handle<Events>(context), true)) || ...);
    if (matched) return chosen;
    if (!is_event_of_topic(type, context.topic()))
      throw Failure::permanent("this topic carries no event of this type", "unknown_type");
    return pass_over();
  }

  template <class Event>
  Task<> decode_and_handle(Context& context) {
    auto const decoded = json::decode<Event>(context.data());
    if (!decoded) throw Failure::permanent(decoded.error().message(), "invalid_event");
    if constexpr (requires { validate(*decoded); }) {
      if (auto const invalid = validate(*decoded))
        throw Failure::permanent(invalid->field + " " + invalid->reason, "invalid_event");
    }
    auto handling = handler_.handle(context, *decoded);
    co_await std::move(handling);
  }

  static Task<> pass_over() { co_return; }

  H& handler_;
};

}  // namespace engine
}  // namespace omnibus
