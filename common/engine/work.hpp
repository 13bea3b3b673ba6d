/// The interface between the engine and typed handlers.
#pragma once

#include "concurrency/task.hpp"
#include "engine/dispatch/batch.hpp"
#include "handler/context.hpp"
#include "handler/failure.hpp"
#include "handler/unit_of_work.hpp"

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string_view>

namespace omnibus::engine {

/// How work takes events: one by one, or in batches.
struct BatchTraits {
  std::size_t most = 0;  ///< events in a batch; 0 for work that takes events one by one
  bool own_key = false;  ///< detects repeated events by its own key, and needs no inbox rows
};

/// The work that the engine runs for each event.
class Work {
 public:
  virtual ~Work() = default;
  /// One attempt, on the event loop. @throws Failure, or any other exception, which counts as one; also in its task.
  /// Not called for work that takes batches.
  virtual Task<> handle(Context& context);
  /// Whether handle_now() can replace handle(). Then an event whose key is free is handled on arrival, without a
  /// coroutine and without a queue.
  virtual bool never_waits() const { return false; }
  /// One attempt by work that never waits. If it throws, handle() handles the event again.
  virtual void handle_now(Context&) {}
  /// The rows and events that the handler adds when this event is parked; runs in the transaction that parks it. Empty
  /// when the handler adds none, or when the event does not decode. The function must not outlive the context.
  virtual std::function<void(UnitOfWork&)> giving_up(Context&, Failure const&) { return {}; }
  /// The longest call to an outside party that costs money: it is awaited before a partition is given up, because
  /// whoever handles the event next would pay for it again.
  virtual std::chrono::milliseconds longest_call() const { return {}; }
  /// The member of an event's data that says what its work goes through, such as a channel. Events of one route cannot
  /// take all places or all memory from those of another. Empty for work without routes.
  virtual std::string_view route_member() const { return {}; }
  virtual BatchTraits batches() const { return {}; }
  /// The batch to decode into; for work that takes batches.
  virtual std::unique_ptr<BatchItems> new_items() { return nullptr; }
};

}  // namespace omnibus::engine
