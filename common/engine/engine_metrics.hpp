/// What a worker's engines count, as metrics.
#pragma once

#include "engine/engines.hpp"
#include "observability/metrics.hpp"

#include <atomic>
#include <cstdint>

namespace omnibus::engine {

/// Shows the counters of all engines together, read on request. The engines outlive it.
class EngineMetrics {
 public:
  explicit EngineMetrics(Engines const& engines) : engines_{engines} {
    hook_ = metrics_.on_collect([this] { collect(); });
  }

 private:
  void collect();

  Engines const& engines_;
  Metrics& metrics_ = Metrics::process();
  Gauge in_flight_ = metrics_.gauge<Metric::in_flight>();
  Gauge queued_bytes_ = metrics_.gauge<Metric::queued_bytes>();
  Gauge working_bytes_ = metrics_.gauge<Metric::working_bytes>();
  Gauge stuck_keys_ = metrics_.gauge<Metric::stuck_keys>();
  Gauge commit_lag_ = metrics_.gauge<Metric::commit_lag>();
  Gauge unpublished_ = metrics_.gauge<Metric::outbox_unpublished>();
  Gauge deferred_ = metrics_.gauge<Metric::deferred_records>();
  Gauge deferred_oldest_ = metrics_.gauge<Metric::deferred_oldest>();
  Gauge oldest_ = metrics_.gauge<Metric::oldest_unprocessed>();
  Gauge paused_ = metrics_.gauge<Metric::paused>();
  Counter handled_ = metrics_.counter<Metric::events>("handled");
  Counter dead_lettered_ = metrics_.counter<Metric::events>("dead_lettered");
  Counter erased_ = metrics_.counter<Metric::events>("erased");
  Counter tombstones_ = metrics_.counter<Metric::tombstones>();
  Counter fenced_ = metrics_.counter<Metric::events>("fenced");
  Counter retries_ = metrics_.counter<Metric::retries>();
  Counter deferrals_ = metrics_.counter<Metric::deferrals>();
  Counter malformed_ = metrics_.counter<Metric::dead_letters>("malformed");
  Counter permanent_ = metrics_.counter<Metric::dead_letters>("permanent");
  Counter exhausted_ = metrics_.counter<Metric::dead_letters>("exhausted");
  Metrics::Hook hook_;
};

}  // namespace omnibus::engine
