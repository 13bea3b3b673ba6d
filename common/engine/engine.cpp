#include "engine/engine.hpp"

#include "engine/dispatch/lane.hpp"
#include "faults/failpoint.hpp"
#include "handler/classify.hpp"
#include "observability/log.hpp"
#include "time/time.hpp"

#include <algorithm>
#include <exception>
#include <functional>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace omnibus::engine {
namespace {

constexpr std::chrono::milliseconds stop_poll{10};
constexpr std::int64_t most_ahead_of_waiting = 2 << 20;
constexpr std::chrono::seconds oldest_interval{10};
constexpr std::chrono::seconds time_to_commit{5};  // after a call
constexpr std::size_t own_key_commits = 3;         // batches at once, if their order does not matter

EngineSettings settings_for(Work const& work, EngineSettings settings) {
  if (auto const call = work.longest_call(); call.count() > 0)
    settings.drain_deadline = std::max<std::chrono::milliseconds>(settings.drain_deadline, call + time_to_commit);
  return settings;
}

/// librdkafka takes more than twice its limit, which counts payloads only. That much ahead serves work that is done
/// in a microsecond per record; work that waits needs far less.
kafka::ConsumerSettings fetching_for(Work const& work, kafka::ConsumerSettings settings) {
  if (work.never_waits() || work.batches().most > 0) return settings;
  settings.prefetch_bytes = std::min(settings.prefetch_bytes, most_ahead_of_waiting);
  settings.fetch_bytes = std::min(settings.fetch_bytes, most_ahead_of_waiting / 2);
  return settings;
}

}  // namespace

Task<> Work::handle(Context&) {
  co_return;
}

Engine::Engine(boost::asio::io_context& loop, Identity identity, EngineSettings settings, kafka::ClientSettings client,
               kafka::ConsumerSettings consumer, Ports ports, Work& work)
    : loop_{loop},
      identity_{std::move(identity)},
      settings_{settings_for(work, settings)},
      ports_{ports},
      work_{work},
      topics_{consumer.topics},
      client_{std::move(client)},
      poll_{loop, client_, fetching_for(work, std::move(consumer)), settings.max_queued_bytes,
            [this](Tidings& tidings) { std::visit([this](auto& each) { on(each); }, tidings); }},
      publisher_{loop, ports.producer, ports.pool},
      dispatch_{make_dispatch()},
      housekeeping_timer_{loop},
      deferrals_timer_{loop} {
  if (ports.pool == nullptr) return;
  committer_.emplace(loop, *ports.pool);
  reads_.emplace(loop, *ports.pool);
}

std::unique_ptr<Dispatch> Engine::make_dispatch() {
  if (auto const traits = work_.batches(); traits.most > 0) {
    std::vector<std::unique_ptr<BatchItems>> items;
    auto const at_once = traits.own_key ? own_key_commits : 1;
    for (std::size_t i = 0; i <= at_once; ++i) items.push_back(work_.new_items());
    return std::make_unique<BatchDispatcher>(loop_, traits.most, std::move(items), static_cast<BatchProcessor&>(*this));
  }
  Dispatcher::Settings settings;
  settings.max_in_flight = settings_.max_in_flight;
  settings.max_bytes = settings_.max_queued_bytes;
  settings.max_working_bytes = settings_.max_working_bytes;
  settings.has_routes = !work_.route_member().empty();
  auto dispatcher = std::make_unique<Dispatcher>(loop_, settings, static_cast<Processor&>(*this));
  dispatcher_ = dispatcher.get();
  return dispatcher;
}

Engine::~Engine() {
  poll_.stop();
  if (loader_) loader_->stop();
}

postgres::TransactionPool& Engine::pool() {
  if (ports_.pool == nullptr) throw Failure::outage("this worker runs without a database: set DATABASE_URL");
  return *ports_.pool;
}

UnitCommitter& Engine::committer() {
  static_cast<void>(pool());
  return *committer_;
}

postgres::GatheredReads& Engine::reads() {
  static_cast<void>(pool());
  return *reads_;
}

void Engine::start() {
  poll_.start();
  boost::asio::co_spawn(loop_, housekeeping(), boost::asio::detached);
  if (stores_deferrals()) boost::asio::co_spawn(loop_, tend_deferrals(), boost::asio::detached);
}

void Engine::on(Arrived& arrived) {
  OMNIBUS_FAILPOINT("arrived");
  auto const never_waits = work_.never_waits() && ports_.replay == nullptr;  // which counts one by one
  auto const begun = Clock::now();
  passing_.arrived = begun;
  std::uint64_t handled = 0;
  for (auto& message : arrived.messages) {
    auto* partition = find(*message);
    if (partition == nullptr || partition->draining() || partition->rewinding) continue;
    if (message->offset != partition->expected) {
      notice_jump(*partition, *message);
      partition = find(*message);
      if (partition->rewinding) continue;
    }
    partition->expected = message->offset + 1;
    if (message->offset >= partition->end) {
      read_to_end(*partition);
      continue;
    }
    auto const epoch = rd_kafka_message_leader_epoch(message.get());
    partition->leader_epoch = std::max(partition->leader_epoch, epoch);
    auto const done = !partition->done_ahead.empty() && partition->done_ahead.contains(message->offset, epoch);
    if (done || message->payload == nullptr) {
      if (!done) pass_tombstone();
      partition->frontier.pass(message->offset);
      continue;
    }
    auto const key_hash = lane_of(partition->salt, *message);
    if (partition->deferred.holds(key_hash) && waits_behind(*partition, key_hash, message, begun)) continue;
    if (never_waits && handled_now(*partition, key_hash, message)) {
      ++handled;
      continue;
    }
    dispatch_->submit(new_delivery(*partition, key_hash, message, begun));
  }
  passing_.record.reset();
  budget_.earn(arrived.messages.size());
  if (handled > 0) {
    bump(counters_.handled, handled);
    if (ports_.timings.handler != nullptr)
      ports_.timings.handler->observe_mean(std::chrono::duration<double>{Clock::now() - begun}.count(), handled);
  }
  weigh();
  if (dispatch_->held_bytes() > settings_.max_queued_bytes / 4)
    for (auto const& [key, partition] : partitions_) hold_back_over_share(*partition);
  arrived.messages.clear();
  poll_.arrived(arrived.bytes);
  dispatch_->pump();
  look_whether_sated();
}

Delivery& Engine::new_delivery(Partition& partition, std::uint64_t key_hash, kafka::Message& message,
                               Clock::time_point now) {
  auto& delivery = deliveries_.take();
  delivery.partition = &partition;
  delivery.key_hash = key_hash;
  delivery.arrived = now;
  delivery.sequence = partition.frontier.begin(message->offset, kafka::timestamp_ms(*message));
  delivery.bytes = static_cast<std::uint32_t>(record_bytes(*message));
  delivery.record = ReceivedRecord{std::move(message)};
  return delivery;
}

/// Order is kept because nothing of the key is queued, and because the event is finished when this returns.
bool Engine::handled_now(Partition& partition, std::uint64_t key_hash, kafka::Message& message) {
  if (!dispatch_->is_free(partition, key_hash)) return false;
  // It is never committed, so that only the filter asks whom it is about.
  auto const guarded = message->offset < partition.erased_before || erased_.running();
  passing_.record = ReceivedRecord{std::move(message)};
  passing_.partition = &partition;
  passing_.epoch = partition.epoch;
  Attempt attempt{*this, passing_, guarded};
  try {
    work_.handle_now(attempt);
  } catch (...) {
    message = passing_.record.take_message();
    return false;
  }
  partition.frontier.pass(passing_.offset());
  partition.started = partition.frontier.end();
  commit_if_much_is_ahead(partition);
  return true;
}

Partition* Engine::find(rd_kafka_message_t const& message) {
  if (message.rkt == last_.topic && message.partition == last_.partition) return last_.found;
  auto const found = partitions_.find({rd_kafka_topic_name(message.rkt), message.partition});
  if (found == partitions_.end()) return nullptr;
  last_ = {message.rkt, message.partition, found->second.get()};
  return last_.found;
}

/// It means nothing to handlers; a compacted topic keeps it for a while in place of what it deletes.
void Engine::pass_tombstone() {
  bump(counters_.tombstones);
  if (ports_.replay != nullptr) ports_.replay->count(Replay::Outcome::skipped, "tombstone");
}

void Engine::on(Ended& ended) {
  auto const found = partitions_.find({ended.position.where.topic, ended.position.where.partition});
  if (found == partitions_.end() || found->second->draining()) return;
  if (ended.position.offset >= found->second->end) read_to_end(*found->second);
}

void Engine::read_to_end(Partition& partition) {
  if (std::exchange(partition.read_to_end, true)) return;
  // Behind the last record there may be offsets without one, up to the end: transaction markers, compacted records.
  if (partition.frontier.newest_offset() < partition.end - 1) partition.frontier.pass(partition.end - 1);
  poll_.consumer().pause(partition.where);
}

void Engine::on(Trouble& trouble) {
  if (!trouble.error.fatal()) return log::warn("Kafka", {{"reason", trouble.error.what()}});
  log::error("the Kafka client cannot go on: is another member of this KAFKA_INSTANCE_ID running?",
             {{"reason", trouble.error.what()}});
  set_ready(false);
  if (ports_.on_fatal) ports_.on_fatal();
}

Task<Verdict> Engine::process(Delivery& delivery) {
  if (sated_) look_whether_sated();  // now, and not when it leaves: it may start to wait for a retry
  delivery.epoch = delivery.partition->epoch;
  Attempt attempt{*this, delivery, ports_.pool != nullptr};
  std::exception_ptr failed;
  for (;;) {
    auto const begun = Clock::now();
    OMNIBUS_FAILPOINT("handle");
    failed = nullptr;
    try {
      auto handling = work_.handle(attempt);
      co_await std::move(handling);
    } catch (...) {
      failed = std::current_exception();
    }
    if (ports_.timings.handler != nullptr)
      ports_.timings.handler->observe(std::chrono::duration<double>{Clock::now() - begun}.count());
    if (!failed) co_return Verdict{Verdict::Kind::done};
    if (delivery.resolved) break;
    try {
      if (raised<sealing::KeysNeeded>(failed)) {
        auto loading = load_keys(failed);
        co_await std::move(loading);
        continue;
      }
      if (raised<sealing::KeyDestroyed>(failed)) {
        auto skipping = attempt.skip();
        co_await std::move(skipping);
        co_return leave_out(delivery, attempt.log_fields());
      }
      if (!raised<Suspected>(failed) && !raised<Erased>(failed)) break;
      auto asking = attempt.refuse();
      if (co_await std::move(asking)) co_return leave_out(delivery, attempt.log_fields());
    } catch (...) {
      failed = std::current_exception();
      break;
    }
  }
  auto resolving = resolve(delivery, attempt, failed);
  co_return co_await std::move(resolving);
}

void Engine::left(Delivery& delivery, bool finished) {
  if (delivery.row) {
    left_row(delivery, finished);
  } else if (finished) {
    delivery.partition->frontier.finish(delivery.sequence);
    bump(counters_.handled);
    commit_if_much_is_ahead(*delivery.partition);
    if (ports_.replay != nullptr && !delivery.not_handled) ports_.replay->count(Replay::Outcome::handled);
  }
  weigh();
  if (sated_) look_whether_sated();
  deliveries_.give_back(delivery);
}

Task<> Engine::housekeeping() {
  while (!stopped_) {
    housekeeping_timer_.expires_after(settings_.commit_interval);
    auto wait = housekeeping_timer_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    co_await std::move(wait);
    if (stopped_) co_return;
    if (may_commit()) commit_positions();
    poll_erasures();
    look_whether_sated();
    dispatch_->pump();  // records that could not be read are asked for again
    for (auto const& [key, partition] : partitions_) {
      auto const unanswered = commits_answered_ < partition->first_valid_commit;
      if (partition->confirming && partition->wanted() && !unanswered && may_commit()) ask_whether_ours(*partition);
      hold_back_over_share(*partition);
    }
    std::erase_if(leaving_, [](auto const& each) { return each->alive == 0; });
    poll_.hold_back(PollThread::Reason::unpublished, publisher_.unpublished() > settings_.max_unpublished);
    refresh_counters();
  }
}

void Engine::refresh_counters() {
  counters_.in_flight = static_cast<std::int64_t>(dispatch_->in_flight());
  counters_.queued = static_cast<std::int64_t>(dispatch_->queued());
  counters_.queued_bytes = static_cast<std::int64_t>(poll_.queued_bytes());
  if (dispatcher_ != nullptr) counters_.working_bytes = static_cast<std::int64_t>(dispatcher_->working_bytes());
  counters_.stuck_keys = static_cast<std::int64_t>(dispatch_->waiting_for_retry());
  counters_.partitions = static_cast<std::int64_t>(partitions_.size());
  counters_.unpublished = static_cast<std::int64_t>(publisher_.unpublished());
  counters_.paused = dispatch_->paused();
  std::int64_t uncommitted = 0;
  std::int64_t oldest = 0;
  std::int64_t over_share = 0;
  std::int64_t deferred = 0;
  for (auto const& [key, partition] : partitions_) {
    deferred += static_cast<std::int64_t>(partition->deferred.rows());
    if (partition->over_share) ++over_share;
    uncommitted += static_cast<std::int64_t>(partition->frontier.open());
    if (auto const since = partition->frontier.oldest_open_ms(); since && *since > 0)
      oldest = std::max(oldest, wall_clock_ms() - *since);
  }
  counters_.partitions_paused = over_share;
  counters_.deferred_records = deferred;
  refresh_oldest_deferred();
  counters_.uncommitted = uncommitted;
  counters_.oldest_unprocessed_ms = oldest;
}

void Engine::refresh_oldest_deferred() {
  auto const now = Clock::now();
  auto const none = counters_.deferred_records == 0;
  // Not each time: it looks at all keys, of which there may be very many.
  if (none || oldest_deferred_ == Clock::time_point::max() || now >= oldest_looked_for_ + oldest_interval) {
    oldest_looked_for_ = now;
    oldest_deferred_ = Clock::time_point::max();
    if (!none)
      for (auto const& [key, partition] : partitions_)
        oldest_deferred_ = std::min(oldest_deferred_, partition->deferred.oldest());
  }
  counters_.deferred_oldest_ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(now - std::min(now, oldest_deferred_)).count();
}

void Engine::set_ready(bool ready) {
  if (ports_.on_ready) ports_.on_ready(ready);
}

Task<bool> Engine::stop() {
  if (std::exchange(stopping_, true)) co_return false;
  auto const deadline = Clock::now() + settings_.drain_deadline;
  poll_.stop_fetching();
  set_ready(false);
  std::vector<std::shared_ptr<Partition>> all;
  for (auto const& [key, partition] : partitions_) all.push_back(partition);
  for (auto const& partition : all) dispatch_->drain(*partition);
  // Nothing of these can be committed, but what runs must end before it may be destroyed.
  all.insert(all.end(), leaving_.begin(), leaving_.end());
  tend_deferrals_now();
  log::info("stopping", {{"in_flight", dispatch_->in_flight()}});
  auto draining = drained(all, deadline);
  auto const clean = co_await std::move(draining);
  if (!clean) log::warn("stopping before the last events ended; they will be delivered again", {});
  commit_positions();
  auto publishing = publisher_.drain(std::max(deadline, Clock::now() + std::chrono::seconds{1}));
  if (!co_await std::move(publishing)) log::warn("records are left in the outbox for the next owner to publish", {});
  // Until the broker has the last positions, so that finished events are not delivered again.
  boost::asio::steady_timer timer{loop_};
  auto const committed = [&] {
    return commits_answered_ == commits_sent_ && std::ranges::all_of(partitions_, [](auto const& each) {
             auto const& partition = *each.second;
             return partition.lost || partition.committed >= partition.frontier.position().value_or(-1);
           });
  };
  while (!committed() && Clock::now() < deadline + std::chrono::seconds{3}) {
    timer.expires_after(stop_poll);
    auto wait = timer.async_wait(boost::asio::use_awaitable);
    co_await std::move(wait);
    if (may_commit()) commit_positions();
  }
  stopped_ = true;
  housekeeping_timer_.cancel();
  deferrals_timer_.cancel();
  poll_.stop();
  if (loader_) loader_->stop();
  refresh_counters();
  log::info("stopped", {{"handled", counters_.handled.load()}, {"clean", clean}});
  co_return clean;
}

}  // namespace omnibus::engine
