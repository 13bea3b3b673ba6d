// The part of the engine that takes partitions over and hands them back.
#include "engine/dispatch/lane.hpp"
#include "engine/engine.hpp"
#include "faults/failpoint.hpp"
#include "handler/classify.hpp"
#include "observability/log.hpp"
#include "postgres/fence.hpp"

#include <algorithm>
#include <exception>
#include <limits>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <pqxx/pqxx>

namespace omnibus::engine {
namespace {

constexpr std::chrono::milliseconds drain_poll{10};
constexpr std::chrono::milliseconds database_back_off{500};
constexpr std::size_t sweep_size = 1000;
constexpr std::chrono::seconds erasures_interval{1};

/// Longer than librdkafka waits at most before its next heartbeat (retry.backoff.max.ms). It begins to wait anew with
/// each commit that is refused to a member: if these came more often, it would send no heartbeat, the member would
/// never learn that it was removed, and would never come back.
constexpr std::chrono::milliseconds membership_pause{2000};
/// After any other refusal, and after the first one to a member, which an ordinary rebalance brings as well: the member
/// is told of its new epoch at once.
constexpr std::chrono::milliseconds refused_pause{200};

bool is_refused_to_member(rd_kafka_resp_err_t error) {
  return error == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID || error == RD_KAFKA_RESP_ERR_STALE_MEMBER_EPOCH;
}

/// Errors that one partition has by itself. After any other, all partitions are committed together again.
bool concerns_one_partition(rd_kafka_resp_err_t error) {
  switch (error) {
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_ID:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH:
      return true;
    default:
      return false;
  }
}

}  // namespace

void Engine::on(Assigned& assigned) {
  bump(counters_.rebalances);
  std::vector<std::shared_ptr<Partition>> fresh;
  for (auto const& position : assigned.partitions) {
    auto const& where = position.where;
    auto partition = std::make_shared<Partition>();
    partition->where = where;
    partition->salt = lane_salt(where);
    poll_.consumer().resume(where);
    partition->done_ahead = DoneAhead::parse(position.metadata, position.offset);
    partition->expected = std::max<std::int64_t>(position.offset, -1);
    partition->leader_epoch = position.leader_epoch;
    partition->first_valid_commit = commits_sent_ + 1;
    if (ports_.replay != nullptr) partition->end = ports_.replay->end_of(where);
    partition->erased_before = erased_.end_of(where);
    if (stopping_) partition->drain_limit = 0;  // came too late: none of its deliveries start
    auto& owned = partitions_[{where.topic, where.partition}];
    if (auto const before = std::exchange(owned, partition)) {
      leaving_.push_back(before);
      dispatch_->drop(*before);
    }
    fresh.push_back(std::move(partition));
  }
  last_ = {};
  next_commit_ = {};
  if (fresh.empty() && !stopping_) set_ready(true);  // a standby is ready to take over
  log::info("partitions assigned", {{"count", fresh.size()}, {"owned", partitions_.size()}});
  boost::asio::co_spawn(loop_, open(std::move(fresh)), boost::asio::detached);
}

/// The log was cut off, or the topic made anew: these are other records, as of a partition that is assigned anew. What
/// is not finished and lies before the cut is read again: running attempts of it can write nothing any more.
void Engine::start_again(Partition const& partition, rd_kafka_message_t const& message) {
  auto const from = std::min(partition.next_offset(), message.offset);
  log::error("a partition begins again before the position that was read: its log was cut off, or its topic made anew",
             {{"topic", partition.where.topic},
              {"partition", partition.where.partition},
              {"expected", partition.expected},
              {"offset", message.offset},
              {"from", from}});
  auto const where = partition.where;
  Assigned again{{{where, from}}};
  on(again);
  if (from == message.offset) return;
  partitions_.at({where.topic, where.partition})->rewinding = true;
  poll_.rewind(where, from);
}

void Engine::on(Rewound& rewound) {
  auto const found = partitions_.find({rewound.where.topic, rewound.where.partition});
  if (found != partitions_.end()) found->second->rewinding = false;
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
  OMNIBUS_FAILPOINT("revoked");
  for (auto const& partition : going) dispatch_->drain(*partition);
  tend_deferrals_now();
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
    dispatch_->drop(*partition);
  }
  last_ = {};
}

void Engine::on(Committed& committed) {
  OMNIBUS_FAILPOINT("offsets.committed");
  ++commits_answered_;
  auto failed = committed.error;
  if (failed == RD_KAFKA_RESP_ERR__NO_OFFSET) failed = RD_KAFKA_RESP_ERR_NO_ERROR;
  auto const send_again = [](Partition& partition) {
    partition.sent = partition.committed;
    partition.sent_ahead = 0;
  };
  put_off_commits(committed, failed);
  if (failed != RD_KAFKA_RESP_ERR_NO_ERROR) {
    committed.positions.clear();
    for (auto const& [key, partition] : partitions_) send_again(*partition);
  }
  std::vector<std::shared_ptr<Partition>> confirmed;
  for (auto const& position : committed.positions) {
    auto const found = partitions_.find({position.where.topic, position.where.partition});
    if (found == partitions_.end()) continue;
    auto& partition = *found->second;
    if (commits_answered_ < partition.first_valid_commit) continue;
    if (position.error != RD_KAFKA_RESP_ERR_NO_ERROR) {
      failed = position.error;
      partition.refused = concerns_one_partition(position.error);
      send_again(partition);
      continue;
    }
    partition.refused = false;
    partition.committed = std::max(partition.committed, position.offset);
    if (!std::exchange(partition.confirming, false) || !partition.wanted()) continue;
    partition.taking_over = true;
    confirmed.push_back(found->second);
  }
  if (failed == RD_KAFKA_RESP_ERR_NO_ERROR) {
    bump(counters_.commits);
    for (auto const& [key, partition] : partitions_) commit_if_much_is_ahead(*partition);
  } else {
    if (failed == RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE) most_metadata_ /= 2;
    log::warn("offsets could not be committed", {{"reason", rd_kafka_err2str(failed)}});
  }
  if (!confirmed.empty()) boost::asio::co_spawn(loop_, open(std::move(confirmed)), boost::asio::detached);
}

/// What was refused is not sent again at once.
void Engine::put_off_commits(Committed const& committed, rd_kafka_resp_err_t failed) {
  auto const is_refused = [](kafka::Position const& each) { return each.error != RD_KAFKA_RESP_ERR_NO_ERROR; };
  if (failed == RD_KAFKA_RESP_ERR_NO_ERROR && std::ranges::none_of(committed.positions, is_refused)) {
    member_refused_ = false;
    return;
  }
  auto const now = Clock::now();
  if (now < next_commit_) return;  // this one was sent before the pause began
  auto const to_member = is_refused_to_member(failed) ||
                         std::ranges::any_of(committed.positions, is_refused_to_member, &kafka::Position::error);
  auto const again = std::exchange(member_refused_, to_member) && to_member;
  next_commit_ = now + (again ? membership_pause : refused_pause);
}

Task<> Engine::open(std::vector<std::shared_ptr<Partition>> partitions) {
  boost::asio::steady_timer timer{loop_};
  for (;;) {
    std::erase_if(partitions, [](auto const& each) { return !each->wanted(); });
    if (partitions.empty() || stopped_) co_return;
    try {
      if (ports_.pool != nullptr) {
        if (erased_.as_of().empty()) {
          auto learning = learn_erasures();
          co_await std::move(learning);
        }
        auto taking = take_over(partitions);
        co_await std::move(taking);
      }
      break;
    } catch (std::exception const& error) {
      log::warn(
          "partitions wait for the database: check DATABASE_URL, that PostgreSQL is up, and that its schema and the"
          " worker's role are current (omnibus migrate status)",
          {{"reason", error.what()}});
    }
    timer.expires_after(database_back_off);
    auto wait = timer.async_wait(boost::asio::use_awaitable);
    co_await std::move(wait);
  }
  for (auto const& partition : partitions) {
    partition->taking_over = false;
    if (partition->wanted()) dispatch_->open(*partition);
  }
  if (!stopping_) set_ready(true);
}

Task<> Engine::learn_erasures() {
  auto reading = ports_.pool->run([as_of = erased_.as_of(), this](pqxx::connection& connection) {
    return postgres::read_erasures(connection, as_of, topics_);
  });
  learn(co_await std::move(reading));
}

void Engine::learn(postgres::ErasureNews news) {
  erased_.learn(std::move(news));
  for (auto const& [key, partition] : partitions_) partition->erased_before = erased_.end_of(partition->where);
}

void Engine::poll_erasures() {
  if (ports_.pool == nullptr || polling_erasures_ || Clock::now() < erasures_polled_ + erasures_interval) return;
  erasures_polled_ = Clock::now();
  polling_erasures_ = true;
  boost::asio::co_spawn(loop_, learn_erasures(), [this](std::exception_ptr const& failed) {
    polling_erasures_ = false;
    // Until the next time, admission alone refuses what is about them.
    if (failed) log::debug("who was erased could not be read", {{"reason", classify(failed)->what()}});
  });
}

Task<> Engine::take_over(std::vector<std::shared_ptr<Partition>> const& partitions) {
  std::vector<postgres::FencedPartition> wanted;
  wanted.reserve(partitions.size());
  for (auto const& each : partitions) wanted.push_back({identity_.claimed(each->where.topic), each->where.partition});
  OMNIBUS_FAILPOINT("take_over");
  auto taking = ports_.pool->run([&](pqxx::connection& connection) {
    return postgres::take_over(connection, identity_.worker, wanted, identity_.instance);
  });
  auto const epochs = co_await std::move(taking);
  for (std::size_t i = 0; i < partitions.size(); ++i) partitions[i]->epoch = std::max(partitions[i]->epoch, epochs[i]);

  OMNIBUS_FAILPOINT("taken_over");
  if (ports_.replay != nullptr) co_return;  // it publishes nothing, and neither did its last owner
  for (auto const& partition : partitions) {
    auto publishing = publish_left(*partition);
    co_await std::move(publishing);
  }
  if (!stores_deferrals()) co_return;
  auto adopting = adopt_deferred(partitions);
  co_await std::move(adopting);
}

/// Records that the last owner committed and did not publish go out before any new record of the same keys.
Task<> Engine::publish_left(Partition const& partition) {
  postgres::OutboxSource const source{identity_.worker, partition.where.topic, partition.where.partition};
  auto after = std::numeric_limits<std::int64_t>::min();
  for (auto more = true; more;) {
    auto sweeping = ports_.pool->run([&](pqxx::connection& connection) {
      pqxx::work transaction{connection};
      return postgres::take_unpublished(transaction, source, sweep_size, after);
    });
    auto rows = co_await std::move(sweeping);
    if (rows.empty()) co_return;
    log::info("publishing what an earlier owner left", {{"records", rows.size()}, {"topic", partition.where.topic}});
    more = rows.size() == sweep_size;
    after = rows.back().id;
    OMNIBUS_FAILPOINT("take_over.swept");
    publisher_.publish(std::move(rows));
    OMNIBUS_FAILPOINT("take_over.published");
    boost::asio::steady_timer timer{loop_};
    while (more && publisher_.unpublished() > settings_.max_unpublished) {  // the broker is away, or slow
      if (!partition.wanted() || stopped_) co_return;
      timer.expires_after(drain_poll);
      auto wait = timer.async_wait(boost::asio::use_awaitable);
      co_await std::move(wait);
    }
  }
}

Task<bool> Engine::drained(std::vector<std::shared_ptr<Partition>> const& partitions, Clock::time_point deadline) {
  boost::asio::steady_timer timer{loop_};
  while (std::ranges::any_of(partitions, [](auto const& each) { return each->alive > 0; }) ||
         has_unsaved_deferrals(partitions)) {
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
  OMNIBUS_FAILPOINT("drained");
  commit_positions();
  std::vector<kafka::TopicPartition> released;
  for (auto const& partition : partitions) {
    auto const found = partitions_.find({partition->where.topic, partition->where.partition});
    if (found == partitions_.end() || found->second != partition) continue;  // lost in between, and perhaps ours again
    released.push_back(partition->where);
    partitions_.erase(found);
    leaving_.push_back(partition);
    if (partition->alive > 0) dispatch_->drop(*partition);
  }
  last_ = {};
  OMNIBUS_FAILPOINT("release");
  if (!released.empty()) poll_.consumer().release(released);
}

void Engine::confirm_membership(Partition& partition, std::int64_t epoch) {
  // Begun before the partition was taken over again: rejected because of our own take-over, so we may still own it.
  if (partition.taking_over || epoch != partition.epoch) return;
  if (partition.open) dispatch_->close(partition);
  if (!partition.wanted() || std::exchange(partition.confirming, true)) return;
  bump(counters_.fenced);
  log::warn("fenced: another worker took this partition over; asking the group whether it is still ours",
            {{"topic", partition.where.topic}, {"partition", partition.where.partition}});
  ask_whether_ours(partition);
}

void Engine::ask_whether_ours(Partition& partition) {
  // The broker rejects the commit of a member that is not of the group's current generation; a member that was removed
  // and comes back first gets the loss of its partitions.
  send_commit({position_of(partition)});
  partition.first_valid_commit = commits_sent_;
}

}  // namespace omnibus::engine
