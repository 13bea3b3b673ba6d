/// The engine: joins the consumer, the key-ordered dispatch, the offset frontiers and the database's fence.
#pragma once

#include "concurrency/task.hpp"
#include "engine/attempt.hpp"
#include "engine/commit/outbox_publisher.hpp"
#include "engine/commit/unit_committer.hpp"
#include "engine/dispatch/batch_dispatcher.hpp"
#include "engine/dispatch/delivery.hpp"
#include "engine/dispatch/dispatcher.hpp"
#include "engine/dispatch/partition.hpp"
#include "engine/dispatch/recoverability.hpp"
#include "engine/identity.hpp"
#include "engine/poll_thread.hpp"
#include "engine/replay/replay.hpp"
#include "engine/work.hpp"
#include "kafka/client_settings.hpp"
#include "kafka/producer.hpp"
#include "observability/metrics.hpp"
#include "postgres/pool.hpp"
#include "resilience/retry_budget.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

namespace omnibus::engine {

struct EngineSettings {
  std::size_t max_in_flight = 256;          ///< keys that are worked on at once
  std::size_t max_queued_bytes = 64 << 20;  ///< held in memory, in flight or waiting
  std::size_t max_unpublished = 10'000;     ///< outbox rows the broker has not taken; more hold fetching back
  std::chrono::milliseconds commit_interval{500};
  std::chrono::milliseconds drain_deadline{20'000};  ///< for what runs when a partition is revoked or the worker stops
  RecoverabilitySettings recoverability;
};

/// Where durations go, in seconds; null ones go nowhere. Written by the event loop only.
struct Timings {
  LocalHistogram* handler = nullptr;    ///< one attempt
  LocalHistogram* committed = nullptr;  ///< a transaction of a unit of work, by how it ended
  LocalHistogram* failed = nullptr;
  LocalHistogram* in_doubt = nullptr;
};

/// What an engine stands on; everything outlives it.
struct Ports {
  kafka::Producer& producer;
  /// Null for an engine without a database: then nothing can be committed and dead letters are published directly.
  postgres::TransactionPool* pool = nullptr;
  Timings timings;
  /// Told, on the event loop, when the worker has become ready to work and when it no longer is. May be empty.
  std::function<void(bool)> on_ready = {};
  /// Told, on the event loop, that the Kafka client is of no use any more: the process must be started anew. May be
  /// empty.
  std::function<void()> on_fatal = {};
  /// What is replayed; null in a worker that lives on. Its consumer must tell ends.
  Replay* replay = nullptr;
};

/// Numbers for metrics, readable from any thread.
struct Counters {
  std::atomic<std::uint64_t> handled{0};  ///< finished, dead letters included
  std::atomic<std::uint64_t> retried{0};
  std::atomic<std::uint64_t> deferred{0};
  std::atomic<std::uint64_t> dead_lettered{0};
  std::atomic<std::uint64_t> dead_malformed{0};  ///< of these, no event or none that fits its schema
  std::atomic<std::uint64_t> dead_exhausted{0};  ///< of these, failed too often
  std::atomic<std::uint64_t> fenced{0};
  std::atomic<std::uint64_t> outages{0};  ///< attempts that met one
  std::atomic<std::uint64_t> commits{0};  ///< offset commits acknowledged
  std::atomic<std::uint64_t> rebalances{0};
  std::atomic<std::int64_t> in_flight{0};
  std::atomic<std::int64_t> queued{0};
  std::atomic<std::int64_t> queued_bytes{0};
  std::atomic<std::int64_t> stuck_keys{0};  ///< wait for a retry
  std::atomic<std::int64_t> partitions{0};
  std::atomic<std::int64_t> uncommitted{0};  ///< records begun and not yet covered by an acknowledged commit
  std::atomic<std::int64_t> unpublished{0};
  std::atomic<std::int64_t> oldest_unprocessed_ms{0};
  std::atomic<bool> paused{false};
};

inline void bump(std::atomic<std::uint64_t>& counter, std::uint64_t by = 1) {
  counter.fetch_add(by, std::memory_order_relaxed);
}

/// Runs one worker on one event loop. Everything but `counters()` belongs to that loop's thread.
class Engine : private Processor, private BatchProcessor {
 public:
  Engine(boost::asio::io_context& loop, Identity identity, EngineSettings settings, kafka::ClientSettings client,
         kafka::ConsumerSettings consumer, Ports ports, Work& work);
  ~Engine() override;

  void start();
  /// Stops fetching, finishes what was begun, commits, publishes and leaves; gives up at the drain deadline. What was
  /// handled is not delivered again after a stop within the deadline.
  /// @return false when handlers still run: then the process must end without destroying what they use.
  Task<bool> stop();

  Counters const& counters() const { return counters_; }
  Identity const& identity() const { return identity_; }
  /// Up to where each of the partitions it has now is done.
  std::vector<kafka::Position> positions() const;
  OutboxPublisher& publisher() { return publisher_; }
  /// @throws Failure (outage), as committer(), in an engine without a database.
  postgres::TransactionPool& pool();
  UnitCommitter& committer();
  Ports& ports() { return ports_; }
  /// After a commit was refused: asks the group whether the partition is still ours and if so takes it over again.
  void confirm_membership(Delivery const& delivery);

 private:
  using PartitionKey = std::pair<std::string, std::int32_t>;

  // Tidings of the poll thread.
  void on(Arrived& arrived);
  void on(Assigned& assigned);
  void on(Revoked& revoked);
  void on(Lost& lost);
  void on(Committed& committed);
  void on(Ended& ended);
  void on(Trouble& trouble);

  // Of both processors.
  void left(Delivery& delivery, bool finished) override;
  Task<Verdict> process(Delivery& delivery) override;
  void decode(Batch& batch, Delivery& delivery) override;
  Task<> commit(Batch& batch) override;

  Task<> commit_entries(Batch& batch, std::vector<BatchEntry*> entries, std::uint32_t attempts);
  Task<> commit_once(Batch& batch, std::vector<BatchEntry*> const& entries);
  Task<> bury(Batch& batch, BatchEntry& entry);
  static void give_up_unless_wanted(Delivery const& delivery);
  std::unique_ptr<Dispatch> make_dispatch();

  bool handled_now(Partition& partition, std::uint64_t key_hash, kafka::Message& message);
  Task<Verdict> resolve(Delivery& delivery, Attempt& attempt, std::exception_ptr error);
  Task<Verdict> park(Delivery& delivery, Attempt& attempt, Failure const& failure);
  Task<> open(std::vector<std::shared_ptr<Partition>> partitions);
  Task<> take_over(std::vector<std::shared_ptr<Partition>> const& partitions);
  Task<> hand_back(std::vector<std::shared_ptr<Partition>> partitions);
  Task<bool> drained(std::vector<std::shared_ptr<Partition>> const& partitions, Clock::time_point deadline);
  Task<> housekeeping();
  Partition* find(rd_kafka_message_t const& message);
  void read_to_end(Partition& partition);
  void commit_positions();
  void ask_whether_ours(Partition const& partition);
  void commit_ahead(Partition const& partition);
  void refresh_counters();
  void look_whether_sated();
  void set_ready(bool ready);

  boost::asio::io_context& loop_;
  Identity identity_;
  EngineSettings settings_;
  Ports ports_;
  Work& work_;
  PollThread poll_;
  OutboxPublisher publisher_;
  std::optional<UnitCommitter> committer_;
  std::unique_ptr<Dispatch> dispatch_;
  DeliveryPool deliveries_;
  Delivery passing_;  // what is handled where it arrives
  RetryBudget budget_;
  std::map<PartitionKey, std::shared_ptr<Partition>> partitions_;
  // Partitions that were given up while some of their deliveries still ran.
  std::vector<std::shared_ptr<Partition>> leaving_;
  struct {
    rd_kafka_topic_t* topic = nullptr;
    std::int32_t partition = -1;
    Partition* found = nullptr;
  } last_;
  boost::asio::steady_timer housekeeping_timer_;
  std::mt19937_64 random_{std::random_device{}()};
  std::size_t commits_in_flight_ = 0;
  // What Kafka takes with a position unless offset.metadata.max.bytes says otherwise, with some room.
  std::size_t most_metadata_ = 3'800;
  Counters counters_;
  bool sated_ = false;
  bool stopping_ = false;
  bool stopped_ = false;
};

}  // namespace omnibus::engine
