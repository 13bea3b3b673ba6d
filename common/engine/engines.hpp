/// The engines of a process, one on each of its event loops.
#pragma once

#include "concurrency/event_loops.hpp"
#include "concurrency/loop_place.hpp"
#include "concurrency/task.hpp"
#include "engine/engine.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

namespace omnibus::engine {

/// What all engines of a process have in common. Limits are those of the process; each engine gets its part.
struct EnginePlan {
  Identity identity;
  EngineSettings settings;
  kafka::ClientSettings client;
  kafka::ConsumerSettings consumer;
};

/// The same for one loop: its parts of the limits, and names that differ from those of the other loops, which to the
/// group and to the database are other owners. The first loop has the names of the plan.
EnginePlan plan_of(EnginePlan plan, LoopPlace place);

/// Runs a worker on several event loops. Each engine is a member of the consumer group: a partition, and with it every
/// key in it, is on one loop at a time, and moves as between processes. Nothing is shared between engines but what
/// their ports share. Call everything but sum(), most() and paused_partitions() while no loop runs, or on the first
/// loop.
class Engines {
 public:
  /// What the engine of a loop works with; outlives the engines.
  struct Parts {
    Ports ports;
    Work& work;
  };

  /// `loops` outlive it, and do not run when it is destroyed. @param parts_of called once for each loop, in order
  Engines(EventLoops& loops, EnginePlan const& plan, std::function<Parts(LoopPlace)> const& parts_of);

  void start();
  /// Stops all engines at the same time, as Engine::stop(). Await it on the first loop; the others must run.
  /// @return false when a handler still runs on any loop
  Task<bool> stop();

  Engine& first() { return *engines_.front(); }
  Engine& at(std::size_t index) { return *engines_.at(index); }
  std::size_t count() const { return engines_.size(); }
  /// Of the engine that awaits its events longest.
  std::chrono::milliseconds drain_deadline() const;

  /// A counter of all engines. Any thread.
  template <class Number>
  Number sum(std::atomic<Number> Counters::*counter) const {
    Number total{};
    for (auto const& engine : engines_) total += (engine->counters().*counter).load();
    return total;
  }
  /// The largest of them. Any thread.
  template <class Number>
  Number most(std::atomic<Number> Counters::*counter) const {
    Number largest{};
    for (auto const& engine : engines_) largest = std::max(largest, (engine->counters().*counter).load());
    return largest;
  }
  /// Partitions of engines that an outage has paused. Any thread.
  std::int64_t paused_partitions() const;

 private:
  EventLoops& loops_;
  std::vector<std::unique_ptr<Engine>> engines_;
};

}  // namespace omnibus::engine
