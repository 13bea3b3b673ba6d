/// The seam between the engine and typed handlers.
#pragma once

#include "concurrency/task.hpp"
#include "engine/dispatch/batch.hpp"
#include "handler/context.hpp"
#include "handler/failure.hpp"
#include "handler/unit_of_work.hpp"

#include <cstddef>
#include <functional>
#include <memory>

namespace omnibus::engine {

/// How work takes events: one by one, or many at once.
struct BatchTraits {
  std::size_t most = 0;  ///< events in a batch; 0 for work that takes them one by one
  bool own_key = false;  ///< recognises by itself what it has applied before, and needs no inbox rows
};

/// What happens with each event.
class Work {
 public:
  virtual ~Work() = default;
  /// One attempt, on the event loop. @throws Failure, or anything else, which counts as one, at once or in its task.
  /// Not called for work that takes batches.
  virtual Task<> handle(Context& context);
  /// Whether handle_now() does what handle() does. An event whose key is free is then handled where it arrives, without
  /// a coroutine and without being queued.
  virtual bool never_waits() const { return false; }
  /// One attempt by work that never waits. What it throws has the event handled again by handle().
  virtual void handle_now(Context&) {}
  /// What the handler writes and publishes when this event is parked, to be run in the transaction that parks it. Empty
  /// when it has nothing to say, or when the event does not decode. The function must not outlive the context.
  virtual std::function<void(UnitOfWork&)> giving_up(Context&, Failure const&) { return {}; }
  virtual BatchTraits batches() const { return {}; }
  /// Where a batch is decoded to; for work that takes batches.
  virtual std::unique_ptr<BatchItems> new_items() { return nullptr; }
};

}  // namespace omnibus::engine
