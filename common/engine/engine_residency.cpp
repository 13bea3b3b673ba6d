// The part of the engine that reads records again.
#include "engine/dispatch/tenant.hpp"
#include "engine/engine.hpp"
#include "observability/log.hpp"
#include "observability/metrics.hpp"

#include <chrono>
#include <memory>
#include <utility>
#include <vector>

namespace omnibus::engine {
namespace {

constexpr std::chrono::seconds missed_interval{1};

}  // namespace

std::uint64_t Engine::tenant_of(Delivery const& delivery) {
  return engine::tenant_of(delivery.value());
}

void Engine::read_again(std::span<Delivery* const> run) {
  std::vector<RecordPlace> places;
  places.reserve(run.size());
  for (auto const* const each : run) {
    auto const& partition = *each->partition;
    places.push_back({partition.where, partition.salt, each->key_hash, partition.frontier.offset_of(each->sequence),
                      partition.frontier.timestamp_of(each->sequence)});
  }
  if (!loader_) {
    loader_ = std::make_unique<RecordLoader>(loop_, client_, [this](std::vector<Reread> records) {
      for (auto const& each : records)
        if (each.kind == Reread::Kind::read) bump(counters_.records_reread);
      dispatcher_->reread(std::move(records));
      weigh();
    });
  }
  loader_->read(std::move(places));
}

void Engine::missed(Delivery& delivery) {
  auto const& partition = *delivery.partition;
  bump(counters_.records_missed);
  Metrics::process().counter<Metric::records_missed>(partition.where.topic).add();
  if (ports_.replay != nullptr) {
    ports_.replay->count(Replay::Outcome::skipped, "removed");
    delivery.not_handled = true;
  }
  // Retention removes them in long runs: one line says where it begins.
  auto const now = Clock::now();
  if (now < missed_logged_ + missed_interval) return;
  missed_logged_ = now;
  log::error(
      "records were removed from their topic before they were handled: raise its retention.ms or retention.bytes",
      {{"topic", partition.where.topic},
       {"partition", partition.where.partition},
       {"offset", partition.frontier.offset_of(delivery.sequence)},
       {"missed", counters_.records_missed.load()}});
}

}  // namespace omnibus::engine
