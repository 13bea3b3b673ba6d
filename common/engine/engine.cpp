#include "engine/engine.hpp"

#include "engine/classify.hpp"
#include "engine/dead_letter.hpp"
#include "observability/log.hpp"
#include "postgres/fence.hpp"

#include <algorithm>
#include <exception>
#include <functional>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <pqxx/pqxx>

namespace omnibus::engine {
namespace {

constexpr std::chrono::milliseconds drain_poll{10};
constexpr std::chrono::milliseconds database_back_off{500};
constexpr std::size_t sweep_size = 1000;
constexpr std::chrono::seconds sweep_deadline{10};
constexpr std::size_t most_open = 1'000'000;  // records of a partition begun behind one that does not end

/// Deliveries of one key share a lane; those without key are independent of each other.
std::uint64_t lane_of(rd_kafka_message_t const& message, bool by_key) {
  auto const where = std::hash<void const*>{}(message.rkt) ^ (static_cast<std::uint64_t>(message.partition) << 32);
  if (message.key == nullptr || !by_key)
    return (where ^ static_cast<std::uint64_t>(message.offset)) * 0x9E3779B97F4A7C15ULL;
  std::string_view const key{static_cast<char const*>(message.key), message.key_len};
  return std::hash<std::string_view>{}(key) ^ (where * 0x9E3779B97F4A7C15ULL);
}

std::int64_t timestamp_of(rd_kafka_message_t const& message) {
  rd_kafka_timestamp_type_t type{};
  return rd_kafka_message_timestamp(&message, &type);
}

std::int64_t wall_clock_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

template <class Counter>
void bump(Counter& counter) {
  counter.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

Engine::Engine(boost::asio::io_context& loop, Identity identity, EngineSettings settings, kafka::ClientSettings client,
               kafka::ConsumerSettings consumer, Ports ports, Work& work)
    : loop_{loop},
      identity_{std::move(identity)},
      settings_{settings},
      ports_{ports},
      work_{work},
      poll_{loop, std::move(client), std::move(consumer), settings.max_queued_bytes,
            [this](Tidings& tidings) { std::visit([this](auto& each) { on(each); }, tidings); }},
      publisher_{loop, ports.producer, ports.pool},
      dispatcher_{loop, {.max_in_flight = settings.max_in_flight}, *this},
      housekeeping_timer_{loop} {}

Engine::~Engine() {
  poll_.stop();
}

void Engine::start() {
  poll_.start();
  boost::asio::co_spawn(loop_, housekeeping(), boost::asio::detached);
}

// --- what the poll thread says ----------------------------------------------------------------------------------

void Engine::on(Arrived& arrived) {
  auto const by_key = work_.ordered_by_key();
  for (auto& message : arrived.messages) {
    auto* const partition = find(*message);
    if (partition == nullptr || partition->draining()) {
      poll_.consumed(message->len + message->key_len + sizeof(Delivery));
      continue;
    }
    auto& delivery = deliveries_.take();
    delivery.partition = partition;
    delivery.key_hash = lane_of(*message, by_key);
    delivery.sequence = partition->frontier.begin(message->offset, timestamp_of(*message));
    delivery.message = std::move(message);
    budget_.earn();
    dispatcher_.submit(delivery);
  }
  dispatcher_.pump();
}

Partition* Engine::find(rd_kafka_message_t const& message) {
  if (message.rkt == last_.topic && message.partition == last_.partition) return last_.found;
  auto const found = partitions_.find({rd_kafka_topic_name(message.rkt), message.partition});
  if (found == partitions_.end()) return nullptr;
  last_ = {message.rkt, message.partition, found->second.get()};
  return last_.found;
}

void Engine::on(Assigned& assigned) {
  bump(counters_.rebalances);
  std::vector<std::shared_ptr<Partition>> fresh;
  for (auto& where : assigned.partitions) {
    auto partition = std::make_shared<Partition>();
    partition->where = where;
    if (stopping_) partition->drain_limit = 0;  // came too late: nothing of it is started
    auto& owned = partitions_[{where.topic, where.partition}];
    if (owned) leaving_.push_back(std::move(owned));
    owned = partition;
    fresh.push_back(std::move(partition));
  }
  last_ = {};
  if (fresh.empty() && !stopping_) set_ready(true);  // a standby is ready to take over
  log::info("partitions assigned", {{"count", fresh.size()}, {"owned", partitions_.size()}});
  boost::asio::co_spawn(loop_, open(std::move(fresh)), boost::asio::detached);
}

void Engine::on(Revoked& revoked) {
  bump(counters_.rebalances);
  std::vector<std::shared_ptr<Partition>> going;
  for (auto const& where : revoked.partitions) {
    auto const found = partitions_.find({where.topic, where.partition});
    if (found == partitions_.end()) continue;
    going.push_back(found->second);
  }
  log::info("partitions revoked", {{"count", going.size()}});
  if (going.empty()) return poll_.consumer().release(revoked.partitions);
  for (auto const& partition : going) dispatcher_.drain(*partition);
  boost::asio::co_spawn(loop_, hand_back(std::move(going)), boost::asio::detached);
}

void Engine::on(Lost& lost) {
  bump(counters_.rebalances);
  log::warn("partitions lost: another member has them already", {{"count", lost.partitions.size()}});
  for (auto const& where : lost.partitions) {
    auto const found = partitions_.find({where.topic, where.partition});
    if (found == partitions_.end()) continue;
    auto const partition = found->second;
    partitions_.erase(found);
    leaving_.push_back(partition);
    dispatcher_.drop(*partition);
  }
  last_ = {};
}

void Engine::on(Committed& committed) {
  if (committed.error == RD_KAFKA_RESP_ERR_NO_ERROR) bump(counters_.commits);
  if (committed.error != RD_KAFKA_RESP_ERR_NO_ERROR && committed.error != RD_KAFKA_RESP_ERR__NO_OFFSET) {
    log::warn("offsets could not be committed", {{"reason", rd_kafka_err2str(committed.error)}});
    for (auto& [key, partition] : partitions_) partition->sent = partition->committed;
    return;
  }
  std::vector<std::shared_ptr<Partition>> confirmed;
  for (auto const& position : committed.positions) {
    auto const found = partitions_.find({position.where.topic, position.where.partition});
    if (found == partitions_.end()) continue;
    auto& partition = *found->second;
    partition.committed = std::max(partition.committed, position.offset);
    if (partition.lost || partition.draining() || !std::exchange(partition.confirming, false)) continue;
    partition.taking_over = true;
    confirmed.push_back(found->second);
  }
  if (!confirmed.empty()) boost::asio::co_spawn(loop_, open(std::move(confirmed)), boost::asio::detached);
}

void Engine::on(Trouble& trouble) {
  log::warn("Kafka", {{"reason", trouble.error.what()}, {"fatal", trouble.error.fatal()}});
}

// --- taking partitions over and handing them back ----------------------------------------------------------------

Task<> Engine::open(std::vector<std::shared_ptr<Partition>> partitions) {
  boost::asio::steady_timer timer{loop_};
  for (;;) {
    std::erase_if(partitions, [](auto const& each) { return each->lost || each->draining(); });
    if (partitions.empty() || stopped_) co_return;
    try {
      if (ports_.pool != nullptr) {
        auto taking = take_over(partitions);
        co_await std::move(taking);
      }
      break;
    } catch (std::exception const& error) {
      log::warn("partitions wait for the database: check DATABASE_URL and that PostgreSQL is up",
                {{"reason", error.what()}});
    }
    timer.expires_after(database_back_off);
    auto wait = timer.async_wait(boost::asio::use_awaitable);
    co_await std::move(wait);
  }
  for (auto const& partition : partitions) {
    partition->taking_over = false;
    if (!partition->lost && !partition->draining()) dispatcher_.open(*partition);
  }
  if (!stopping_) set_ready(true);
}

Task<> Engine::take_over(std::vector<std::shared_ptr<Partition>> const& partitions) {
  std::vector<postgres::TopicPartition> wanted;
  for (auto const& each : partitions) wanted.push_back({each->where.topic, each->where.partition});
  auto taking = ports_.pool->run([&](pqxx::connection& connection) {
    return postgres::take_over(connection, identity_.worker, wanted, identity_.instance);
  });
  auto const epochs = co_await std::move(taking);
  for (std::size_t i = 0; i < partitions.size(); ++i) partitions[i]->epoch = std::max(partitions[i]->epoch, epochs[i]);

  // What the last owner committed and did not publish goes out before anything new of the same keys.
  for (auto const& partition : partitions) {
    postgres::OutboxSource const source{identity_.worker, partition->where.topic, partition->where.partition};
    auto sweeping = ports_.pool->run([&](pqxx::connection& connection) {
      pqxx::work transaction{connection};
      return postgres::take_unpublished(transaction, source, sweep_size);
    });
    auto rows = co_await std::move(sweeping);
    if (rows.empty()) continue;
    log::info("publishing what an earlier owner left", {{"records", rows.size()}, {"topic", partition->where.topic}});
    auto const more = rows.size() == sweep_size;
    publisher_.publish(std::move(rows));
    if (!more) continue;
    // Only what is removed lets the next ones be read. The partition stays closed until all are out.
    auto publishing = publisher_.drain(Clock::now() + sweep_deadline);
    co_await std::move(publishing);
    throw Failure::outage("more records of an earlier owner are to be published");
  }
}

Task<bool> Engine::drained(std::vector<std::shared_ptr<Partition>> const& partitions, Clock::time_point deadline) {
  boost::asio::steady_timer timer{loop_};
  while (std::ranges::any_of(partitions, [](auto const& each) { return each->alive > 0; })) {
    if (Clock::now() >= deadline) co_return false;
    timer.expires_after(drain_poll);
    auto wait = timer.async_wait(boost::asio::use_awaitable);
    co_await std::move(wait);
  }
  co_return true;
}

Task<> Engine::hand_back(std::vector<std::shared_ptr<Partition>> partitions) {
  auto draining = drained(partitions, Clock::now() + settings_.drain_deadline);
  if (!co_await std::move(draining)) log::warn("partitions are handed over before their last events ended");
  commit_positions();
  std::vector<kafka::TopicPartition> released;
  for (auto const& partition : partitions) {
    auto const found = partitions_.find({partition->where.topic, partition->where.partition});
    if (found == partitions_.end() || found->second != partition) continue;  // lost meanwhile, and perhaps ours again
    released.push_back(partition->where);
    partitions_.erase(found);
    leaving_.push_back(partition);
    if (partition->alive > 0) dispatcher_.drop(*partition);
  }
  last_ = {};
  if (!released.empty()) poll_.consumer().release(released);
}

void Engine::confirm_membership(Delivery const& delivery) {
  auto& partition = *delivery.partition;
  // Begun before the partition was taken over again: refused by our own take-over, which says nothing about now.
  if (partition.taking_over || delivery.epoch != partition.epoch) return;
  if (partition.open) dispatcher_.close(partition);
  if (partition.lost || partition.draining() || std::exchange(partition.confirming, true)) return;
  bump(counters_.fenced);
  log::warn("fenced: another worker took this partition over; asking the group whether it is still ours",
            {{"topic", partition.where.topic}, {"partition", partition.where.partition}});
  ask_whether_ours(partition);
}

void Engine::ask_whether_ours(Partition const& partition) {
  // The broker refuses the commit of a member that is not of the group's current generation; one that has been put out
  // and comes back is told first that its partitions are lost.
  poll_.consumer().commit({{partition.where, partition.frontier.next_offset()}});
}

// --- one delivery -------------------------------------------------------------------------------------------------

Task<Verdict> Engine::process(Delivery& delivery) {
  delivery.epoch = delivery.partition->epoch;
  Context context{*this, delivery};
  std::exception_ptr failed;
  auto const begun = Clock::now();
  try {
    auto attempt = work_.handle(context);
    co_await std::move(attempt);
  } catch (...) {
    failed = std::current_exception();
  }
  if (ports_.timings.handler != nullptr)
    ports_.timings.handler->observe(std::chrono::duration<double>{Clock::now() - begun}.count());
  if (!failed) co_return Verdict{Verdict::Kind::done};
  auto resolving = resolve(delivery, context, failed);
  co_return co_await std::move(resolving);
}

Task<Verdict> Engine::resolve(Delivery& delivery, Context& context, std::exception_ptr error) {
  if (delivery.resolved) co_return Verdict{Verdict::Kind::done};  // committed; what failed came after it
  auto const failure = classify(error);
  if (!failure) {
    confirm_membership(delivery);
    co_return Verdict{Verdict::Kind::hold};
  }
  if (delivery.first_failed == Clock::time_point{}) delivery.first_failed = Clock::now();
  auto const counted = failure->kind() == Failure::Kind::outage ? delivery.attempts : ++delivery.attempts;
  auto const random = std::uniform_real_distribution{}(random_);
  auto const decision = decide(*failure, counted, settings_.recoverability, random);
  switch (decision.action) {
    case Decision::Action::pause:
      bump(counters_.outages);
      log::warn(context.log_fields(), "paused by an outage", {{"reason", failure->what()}});
      co_return Verdict{Verdict::Kind::outage};
    case Decision::Action::retry: {
      bump(counters_.retried);
      auto delay = decision.delay;
      // Without budget the retry waits longer instead of adding to the load on what is failing.
      if (!budget_.spend(Clock::now())) delay = std::max(delay, settings_.recoverability.longest_delay);
      log::info(context.log_fields(), "retry",
                {{"attempt", counted}, {"in_ms", delay.count()}, {"reason", failure->what()}});
      co_return Verdict{Verdict::Kind::retry, delay};
    }
    case Decision::Action::dead_letter:
      break;
  }
  std::exception_ptr again;
  try {
    auto burying = context.dead_letter(*failure);
    co_await std::move(burying);
    bump(counters_.dead_lettered);
    if (failure->error_class() == "invalid_event" || failure->error_class() == "unknown_type")
      bump(counters_.dead_malformed);
    else if (failure->kind() == Failure::Kind::transient)
      bump(counters_.dead_exhausted);
    log::error(context.log_fields(), "dead letter",
               {{"topic", delivery.partition->where.topic},
                {"class", failure->error_class()},
                {"attempts", counted},
                {"reason", failure->what()}});
    co_return Verdict{Verdict::Kind::done};
  } catch (...) {
    again = std::current_exception();
  }
  auto const burial = classify(again);
  if (!burial) {
    confirm_membership(delivery);
    co_return Verdict{Verdict::Kind::hold};
  }
  if (burial->kind() == Failure::Kind::outage) co_return Verdict{Verdict::Kind::outage};
  log::error(context.log_fields(), "a dead letter could not be written", {{"reason", burial->what()}});
  co_return Verdict{Verdict::Kind::retry, settings_.recoverability.longest_delay};
}

void Engine::left(Delivery& delivery, bool finished) {
  if (finished) {
    delivery.partition->frontier.finish(delivery.sequence);
    bump(counters_.handled);
  }
  poll_.consumed(delivery.bytes());
  deliveries_.give_back(delivery);
}

// --- offsets, counters, the end -----------------------------------------------------------------------------------

void Engine::commit_positions() {
  std::vector<kafka::Position> positions;
  for (auto& [key, partition] : partitions_) {
    auto const position = partition->frontier.position();
    if (partition->lost || partition->confirming || !position || *position <= partition->sent) continue;
    partition->sent = *position;
    positions.push_back({partition->where, *position});
  }
  if (!positions.empty()) poll_.consumer().commit(positions);
}

Task<> Engine::housekeeping() {
  while (!stopped_) {
    housekeeping_timer_.expires_after(settings_.commit_interval);
    auto wait = housekeeping_timer_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    co_await std::move(wait);
    if (stopped_) co_return;
    commit_positions();
    auto stuck = false;
    for (auto const& [key, partition] : partitions_) {
      if (partition->confirming && !partition->lost && !partition->draining()) ask_whether_ours(*partition);
      stuck = stuck || partition->frontier.open() > most_open;
    }
    std::erase_if(leaving_, [](auto const& each) { return each->alive == 0; });
    poll_.hold_back(stuck || publisher_.unpublished() > settings_.max_unpublished);
    refresh_counters();
  }
}

void Engine::refresh_counters() {
  counters_.in_flight = static_cast<std::int64_t>(dispatcher_.in_flight());
  counters_.queued = static_cast<std::int64_t>(dispatcher_.queued());
  counters_.queued_bytes = static_cast<std::int64_t>(poll_.queued_bytes());
  counters_.stuck_keys = static_cast<std::int64_t>(dispatcher_.waiting_for_retry());
  counters_.partitions = static_cast<std::int64_t>(partitions_.size());
  counters_.unpublished = static_cast<std::int64_t>(publisher_.unpublished());
  counters_.paused = dispatcher_.paused();
  std::int64_t uncommitted = 0;
  std::int64_t oldest = 0;
  for (auto const& [key, partition] : partitions_) {
    uncommitted += static_cast<std::int64_t>(partition->frontier.open());
    if (auto const since = partition->frontier.oldest_open_ms(); since && *since > 0)
      oldest = std::max(oldest, wall_clock_ms() - *since);
  }
  counters_.uncommitted = uncommitted;
  counters_.oldest_unprocessed_ms = oldest;
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
  for (auto const& partition : all) dispatcher_.drain(*partition);
  log::info("stopping", {{"in_flight", dispatcher_.in_flight()}});
  auto draining = drained(all, deadline);
  auto const clean = co_await std::move(draining);
  if (!clean) log::warn("stopping before the last events ended; they will be delivered again", {});
  commit_positions();
  auto publishing = publisher_.drain(std::max(deadline, Clock::now() + std::chrono::seconds{1}));
  if (!co_await std::move(publishing)) log::warn("records are left in the outbox for the next owner to publish", {});
  // Until the broker has the last positions, which is what keeps the events from being delivered again.
  boost::asio::steady_timer timer{loop_};
  auto const committed = [&] {
    return std::ranges::all_of(partitions_, [](auto const& each) {
      auto const& partition = *each.second;
      return partition.lost || partition.committed >= partition.frontier.position().value_or(-1);
    });
  };
  while (!committed() && Clock::now() < deadline + std::chrono::seconds{3}) {
    timer.expires_after(drain_poll);
    auto wait = timer.async_wait(boost::asio::use_awaitable);
    co_await std::move(wait);
    commit_positions();
  }
  stopped_ = true;
  housekeeping_timer_.cancel();
  poll_.stop();
  refresh_counters();
  log::info("stopped", {{"handled", counters_.handled.load()}, {"clean", clean}});
  co_return clean;
}

}  // namespace omnibus::engine
