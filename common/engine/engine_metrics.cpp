#include "engine/engine_metrics.hpp"

#include <algorithm>

namespace omnibus::engine {
namespace {

void raise(Counter const& counter, std::uint64_t total) {
  counter.add(std::max(0.0, static_cast<double>(total) - counter.value()));
}

}  // namespace

void EngineMetrics::collect() {
  auto const show = [this](Gauge const& gauge, std::atomic<std::int64_t> Counters::*counter) {
    gauge.set(static_cast<double>(engines_.sum(counter)));
  };
  show(in_flight_, &Counters::in_flight);
  show(queued_bytes_, &Counters::queued_bytes);
  show(working_bytes_, &Counters::working_bytes);
  show(stuck_keys_, &Counters::stuck_keys);
  show(commit_lag_, &Counters::uncommitted);
  show(unpublished_, &Counters::unpublished);
  show(deferred_, &Counters::deferred_records);
  deferred_oldest_.set(static_cast<double>(engines_.most(&Counters::deferred_oldest_ms)) / 1000);
  oldest_.set(static_cast<double>(engines_.most(&Counters::oldest_unprocessed_ms)) / 1000);
  paused_.set(static_cast<double>(engines_.paused_partitions()));
  // Read one after the other while the engines run: a difference may be off by one, never below zero.
  auto const minus = [](std::uint64_t whole, std::uint64_t part) { return whole > part ? whole - part : 0; };
  auto const dead = engines_.sum(&Counters::dead_lettered);
  auto const erased = engines_.sum(&Counters::erased);
  auto const malformed = engines_.sum(&Counters::dead_malformed);
  auto const exhausted = engines_.sum(&Counters::dead_exhausted);
  raise(handled_, minus(engines_.sum(&Counters::handled), dead + erased));
  raise(erased_, erased);
  raise(tombstones_, engines_.sum(&Counters::tombstones));
  raise(dead_lettered_, dead);
  raise(fenced_, engines_.sum(&Counters::fenced));
  raise(retries_, engines_.sum(&Counters::retried));
  raise(deferrals_, engines_.sum(&Counters::deferred));
  raise(malformed_, malformed);
  raise(exhausted_, exhausted);
  raise(permanent_, minus(dead, malformed + exhausted));
}

}  // namespace omnibus::engine
