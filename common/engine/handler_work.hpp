/// Connects a handler of single events to the engine.
#pragma once

#include "concurrency/task.hpp"
#include "engine/work.hpp"
#include "handler/handler.hpp"

#include <functional>
#include <string_view>
#include <utility>

namespace omnibus::engine {

/// Checks that an event which the handler does not list belongs on this topic; it is then skipped.
/// @throws Failure (permanent) when the topic does not carry events of this type.
void check_carried(Context& context, std::string_view type);

/// Decodes an event and calls the handler's function for its type. `H` has
/// `using Events = EventList<...>` and for each of them `Task<> handle(Context&, Event const&)`; a handler that never
/// waits has `void handle(Context&, Event const&)` for all of them, which costs no coroutine. An event of the topic
/// that the handler does not list is skipped; one that no topic knows, or that does not decode, is dead-lettered
/// with a reason that names the field. A handler whose events take different routes names their member:
/// `static constexpr std::string_view route_member`.
template <class H>
class HandlerWork : public Work {
 public:
  explicit HandlerWork(H& handler) : handler_{handler} {}

  Task<> handle(Context& context) override { return start(context, typename H::Events{}); }
  bool never_waits() const override { return at_once(typename H::Events{}); }
  void handle_now(Context& context) override { finish(context, typename H::Events{}); }
  std::string_view route_member() const override {
    if constexpr (requires { H::route_member; })
      return H::route_member;
    else
      return {};
  }
  std::function<void(UnitOfWork&)> giving_up(Context& context, Failure const& failure) override {
    return find_hook(context, failure, typename H::Events{});
  }

 private:
  template <class... Events>
  static constexpr bool at_once(EventList<Events...>) {
    return (HandlesAtOnce<H, Events> && ...);
  }

  // Not a coroutine: one frame less for each event that waits.
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
      check_carried(context, type);
      return nothing();
    }
  }

  static Task<> nothing() { co_return; }

  template <class... Events>
  void finish(Context& context, EventList<Events...> events) {
    if constexpr (at_once(events)) {
      auto const type = context.event().type;
      auto const matched = ((type == Events::type && (handler_.handle(context, decode<Events>(context)), true)) || ...);
      if (!matched) check_carried(context, type);
    }
  }

  template <class Event>
  Task<> decode_and_handle(Context& context) {
    auto const event = decode<Event>(context);
    auto handling = handler_.handle(context, event);
    co_await std::move(handling);
  }

  template <class... Events>
  std::function<void(UnitOfWork&)> find_hook(Context& context, Failure const& failure, EventList<Events...>) {
    std::function<void(UnitOfWork&)> hook;
    try {
      auto const type = context.event().type;
      static_cast<void>(((type == Events::type && (hook = make_hook<Events>(context, failure), true)) || ...));
    } catch (...) {  // it does not decode: it must be parked all the same
    }
    return hook;
  }

  template <class Event>
  std::function<void(UnitOfWork&)> make_hook(Context& context, Failure const& failure) {
    if constexpr (HearsOfGivingUp<H, Event>)
      return [this, &context, failure, event = decode<Event>(context)](UnitOfWork& unit) {
        handler_.gave_up(context, event, failure, unit);
      };
    else
      return {};
  }

  H& handler_;
};

}  // namespace omnibus::engine
