// The part of the engine that bounds what is fetched and held, and reads records again.
#include "engine/dispatch/tenant.hpp"
#include "engine/engine.hpp"
#include "observability/log.hpp"
#include "observability/metrics.hpp"

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>
#include <vector>

namespace omnibus::engine {
namespace {

// When enough is known. To look at a record and to read it again costs some 5 us. Where there are several tenants, one
// that has just published much must not keep the next one's record from being seen.
constexpr ReadPace::Limit pace_shared{256, 65'536};
constexpr ReadPace::Limit pace_alone{64, 1'024};
constexpr std::size_t smallest_backlog = 2'048;  // of deliveries that may start at once
constexpr std::size_t most_open = 1'000'000;     // records of a partition begun behind one that is not finished
constexpr std::chrono::seconds missed_interval{1};

}  // namespace

/// If enough events may start at once, more would only use memory. Events that wait for their key do not count: other
/// keys may be behind it. Nor may a tenant's events keep others from being seen: fetching only slows down, and less
/// where others are known.
void Engine::look_whether_sated() {
  auto const enough = std::max({smallest_backlog, settings_.max_in_flight / 4, 2 * work_.batches().most});
  auto const ready = dispatch_->ready();
  auto const sated = sated_ ? ready > enough / 2 : ready > enough;
  if (dispatcher_ != nullptr)
    poll_.slow_down(!sated ? ReadPace::Limit{} : dispatch_->is_shared() ? pace_shared : pace_alone);
  if (std::exchange(sated_, sated) != sated && dispatcher_ == nullptr)
    poll_.hold_back(PollThread::Reason::sated, sated);
}

void Engine::weigh() {
  poll_.hold(dispatch_->held_bytes());
  auto const crowded = dispatch_->crowded();
  if (std::exchange(crowded_, crowded) != crowded) poll_.hold_back(PollThread::Reason::crowded, crowded);
}

/// A partition with too much open is not fetched until half of that is done; the others go on. A key whose events are
/// deferred to the database takes as much memory as a delivery.
void Engine::hold_back_over_share(Partition& partition) {
  auto const most_alive = settings_.max_queued_bytes / 4 / Residency::delivery_bytes;
  auto const part = partition.over_share ? 2U : 1U;
  auto const over = partition.frontier.open() > most_open / part ||
                    partition.alive + partition.deferred.unwritten() + partition.deferred.keys() > most_alive / part;
  if (over == partition.over_share || partition.read_to_end || !partition.wanted()) return;
  partition.over_share = over;
  log::info(over ? "a partition is paused: too many of its records are open or deferred; MAX_QUEUED_BYTES decides"
                 : "a partition is fetched again",
            {{"topic", partition.where.topic},
             {"partition", partition.where.partition},
             {"open", partition.frontier.open()},
             {"waiting", partition.alive},
             {"deferred_keys", partition.deferred.keys()}});
  if (over)
    poll_.consumer().pause(partition.where);
  else
    poll_.consumer().resume(partition.where);
}

Owner Engine::owner_of(Delivery const& delivery) {
  return engine::owner_of(delivery.value(), work_.route_member());
}

void Engine::step_aside(Delivery& delivery) {
  if (dispatcher_ != nullptr && &delivery != &passing_) dispatcher_->step_aside(delivery);
}

void Engine::step_back(Delivery& delivery) {
  if (dispatcher_ != nullptr && &delivery != &passing_) dispatcher_->step_back(delivery);
}

void Engine::work_in(Delivery& delivery, std::size_t bytes) {
  if (dispatcher_ != nullptr && &delivery != &passing_) dispatcher_->work_in(delivery, bytes);
}

void Engine::read_again(std::span<Delivery* const> run) {
  std::vector<RecordPlace> places;
  places.reserve(run.size());
  for (auto const* const each : run) places.push_back(place_of(*each));
  loader().read(std::move(places), [this](std::vector<Reread> records) {
    for (auto const& each : records)
      if (each.kind == Reread::Kind::read) bump(counters_.records_reread);
    dispatcher_->reread(std::move(records));
    weigh();
  });
}

RecordLoader& Engine::loader() {
  if (!loader_) loader_ = std::make_unique<RecordLoader>(loop_, client_);
  return *loader_;
}

RecordPlace Engine::place_of(Delivery const& delivery) const {
  auto const& partition = *delivery.partition;
  auto const row = DeferredKeys::place_of(delivery, partition.frontier).row;
  return {partition.where, partition.salt, delivery.key_hash, row.offset, row.timestamp_ms};
}

void Engine::missed(Delivery& delivery) {
  count_missed(*delivery.partition, place_of(delivery).offset, 1);
  delivery.not_handled = ports_.replay != nullptr;
}

/// Offsets are missing in compacted topics and after transactions, too. Those before the first one kept were removed.
void Engine::notice_jump(Partition& partition, rd_kafka_message_t const& message) {
  if (partition.expected < 0) return;
  if (message.offset < partition.expected) return start_again(partition, message);
  auto const kept = std::min({poll_.consumer().first_kept(partition.where), message.offset, partition.end});
  if (kept > partition.expected) count_missed(partition, partition.expected, kept - partition.expected);
}

void Engine::count_missed(Partition const& partition, std::int64_t offset, std::int64_t records) {
  bump(counters_.records_missed, static_cast<std::uint64_t>(records));
  Metrics::process().counter<Metric::records_missed>(partition.where.topic).add(static_cast<double>(records));
  if (ports_.replay != nullptr)
    ports_.replay->count(Replay::Outcome::skipped, "removed", static_cast<std::uint64_t>(records));
  // Retention removes them in long runs: one line says where it begins.
  auto const now = Clock::now();
  if (now < missed_logged_ + missed_interval) return;
  missed_logged_ = now;
  log::error(
      "records were removed from their topic before they were handled: raise its retention.ms or retention.bytes",
      {{"topic", partition.where.topic},
       {"partition", partition.where.partition},
       {"offset", offset},
       {"missed", counters_.records_missed.load()}});
}

}  // namespace omnibus::engine
