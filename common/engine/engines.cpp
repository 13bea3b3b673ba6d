#include "engine/engines.hpp"

#include "concurrency/signal.hpp"

#include <exception>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <fmt/format.h>

namespace omnibus::engine {

EnginePlan plan_of(EnginePlan plan, LoopPlace place) {
  auto& settings = plan.settings;
  settings.max_in_flight = place.part_of(settings.max_in_flight);
  settings.max_queued_bytes = place.part_of(settings.max_queued_bytes);
  settings.max_working_bytes = place.part_of(settings.max_working_bytes);
  settings.max_unpublished = place.part_of(settings.max_unpublished);
  auto const part_of = [&](std::int64_t& bytes) {
    bytes = static_cast<std::int64_t>(place.part_of(static_cast<std::size_t>(bytes)));
  };
  part_of(plan.consumer.prefetch_bytes);
  part_of(plan.consumer.fetch_bytes);
  if (place.is_first()) return plan;
  plan.identity.instance += fmt::format("/{}", place.index);
  // Kafka accepts letters, digits, dots, hyphens and underscores. A hyphen and a number is how people tell processes
  // apart.
  auto& member = plan.consumer.instance_id;
  if (!member.empty()) member += fmt::format(".loop{}", place.index);
  return plan;
}

Engines::Engines(EventLoops& loops, EnginePlan const& plan, std::function<Parts(LoopPlace)> const& parts_of)
    : loops_{loops} {
  for (std::size_t i = 0; i < loops.count(); ++i) {
    LoopPlace const place{i, loops.count()};
    auto own = plan_of(plan, place);
    auto parts = parts_of(place);
    engines_.push_back(std::make_unique<Engine>(loops.at(i), std::move(own.identity), own.settings,
                                                std::move(own.client), std::move(own.consumer), std::move(parts.ports),
                                                parts.work));
  }
}

void Engines::start() {
  for (auto const& engine : engines_) engine->start();
}

Task<bool> Engines::stop() {
  Signal all;
  auto clean = true;
  auto left = engines_.size();
  for (std::size_t i = 0; i < engines_.size(); ++i) {
    auto const ended = [&, &first = loops_.first()](std::exception_ptr const& error, bool is_clean) {
      boost::asio::post(first, [&, good = !error && is_clean] {
        clean = clean && good;
        if (--left == 0) all.raise();
      });
    };
    auto& loop = loops_.at(i);
    boost::asio::post(loop,
                      [&loop, &engine = *engines_[i], ended] { boost::asio::co_spawn(loop, engine.stop(), ended); });
  }
  auto waiting = all.wait();
  co_await std::move(waiting);
  co_return clean;
}

std::chrono::milliseconds Engines::drain_deadline() const {
  std::chrono::milliseconds longest{0};
  for (auto const& engine : engines_) longest = std::max(longest, engine->drain_deadline());
  return longest;
}

std::int64_t Engines::paused_partitions() const {
  std::int64_t paused = 0;
  for (auto const& engine : engines_) {
    auto const& counters = engine->counters();
    if (counters.paused) paused += counters.partitions.load();
  }
  return paused;
}

}  // namespace omnibus::engine
