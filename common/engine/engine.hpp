/// The engine: connects the consumer, the key-ordered dispatch, the offset frontiers and the database's fence.
#pragma once

#include "concurrency/task.hpp"
#include "engine/attempt.hpp"
#include "engine/commit/outbox_publisher.hpp"
#include "engine/commit/unit_committer.hpp"
#include "engine/dispatch/batch_dispatcher.hpp"
#include "engine/dispatch/delivery.hpp"
#include "engine/dispatch/dispatcher.hpp"
#include "engine/dispatch/erased_filter.hpp"
#include "engine/dispatch/outage_scope.hpp"
#include "engine/dispatch/partition.hpp"
#include "engine/dispatch/recoverability.hpp"
#include "engine/identity.hpp"
#include "engine/poll_thread.hpp"
#include "engine/record_loader.hpp"
#include "engine/replay/replay.hpp"
#include "engine/work.hpp"
#include "kafka/client_settings.hpp"
#include "kafka/producer.hpp"
#include "observability/log.hpp"
#include "observability/metrics.hpp"
#include "postgres/deferred_records.hpp"
#include "postgres/gathered_reads.hpp"
#include "postgres/pool.hpp"
#include "resilience/retry_budget.hpp"
#include "sealing/sealer.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

namespace omnibus::engine {

struct EngineSettings {
  std::size_t max_in_flight = 256;            ///< keys that are handled at once
  std::size_t max_queued_bytes = 64 << 20;    ///< held in memory, in flight or waiting
  std::size_t max_working_bytes = 256 << 20;  ///< of what handlers hold beside that
  std::size_t max_unpublished = 10'000;       ///< outbox rows that the broker has not acknowledged; more pause fetching
  std::chrono::milliseconds commit_interval{500};
  std::chrono::milliseconds drain_deadline{20'000};    ///< for running events, on revocation or stop of the worker
  std::chrono::milliseconds long_deferral{30'000};     ///< from here on, what is deferred waits in the database
  std::chrono::milliseconds deferral_interval{1'000};  ///< between writes of what was deferred
  RecoverabilitySettings recoverability;
};

/// Histograms of durations, in seconds; a null one is skipped. Written by the event loop only.
struct Timings {
  LocalHistogram* handler = nullptr;    ///< one attempt
  LocalHistogram* committed = nullptr;  ///< a transaction of a unit of work, by outcome
  LocalHistogram* failed = nullptr;
  LocalHistogram* in_doubt = nullptr;
};

/// What an engine needs; everything outlives it.
struct Ports {
  kafka::Producer& producer;
  /// Null for an engine without a database: then nothing can be committed and dead letters are published directly.
  postgres::TransactionPool* pool = nullptr;
  Timings timings;
  /// Called on the event loop when the worker becomes ready to work and when it stops being ready. May be empty.
  std::function<void(bool)> on_ready = {};
  /// Called on the event loop when the Kafka client cannot be used any more: the process must be restarted. May be
  /// empty.
  std::function<void()> on_fatal = {};
  /// The replay to run; null in a live worker. Its consumer must report the ends of partitions.
  Replay* replay = nullptr;
  /// Opens and seals events; null for an engine that meets none.
  sealing::Sealer* sealer = nullptr;
};

/// Numbers for metrics, readable from any thread.
struct Counters {
  std::atomic<std::uint64_t> handled{0};  ///< finished, dead letters included
  std::atomic<std::uint64_t> retried{0};
  std::atomic<std::uint64_t> deferred{0};
  std::atomic<std::uint64_t> dead_lettered{0};
  std::atomic<std::uint64_t> dead_malformed{0};  ///< of these, not an event or not valid by its schema
  std::atomic<std::uint64_t> dead_exhausted{0};  ///< of these, failed too often
  std::atomic<std::uint64_t> erased{0};          ///< refused because of whom they are about
  std::atomic<std::uint64_t> records_missed{0};  ///< removed from their topic before they were handled
  std::atomic<std::uint64_t> records_reread{0};  ///< dropped from memory and read again
  std::atomic<std::uint64_t> tombstones{0};      ///< records without a value, passed over
  std::atomic<std::uint64_t> fenced{0};
  std::atomic<std::uint64_t> outages{0};  ///< attempts that failed because of an outage
  std::atomic<std::uint64_t> commits{0};  ///< offset commits acknowledged
  std::atomic<std::uint64_t> rebalances{0};
  std::atomic<std::int64_t> in_flight{0};
  std::atomic<std::int64_t> queued{0};
  std::atomic<std::int64_t> queued_bytes{0};
  std::atomic<std::int64_t> working_bytes{0};
  std::atomic<std::int64_t> stuck_keys{0};  ///< keys that wait for a retry
  std::atomic<std::int64_t> partitions{0};
  std::atomic<std::int64_t> partitions_paused{0};  ///< of these, because they have too much open
  std::atomic<std::int64_t> uncommitted{0};        ///< records begun and not yet covered by an acknowledged commit
  std::atomic<std::int64_t> unpublished{0};
  std::atomic<std::int64_t> oldest_unprocessed_ms{0};
  std::atomic<std::int64_t> deferred_records{0};    ///< that wait in the database
  std::atomic<std::int64_t> deferred_oldest_ms{0};  ///< of these
  std::atomic<bool> paused{false};
};

inline void bump(std::atomic<std::uint64_t>& counter, std::uint64_t by = 1) {
  counter.fetch_add(by, std::memory_order_relaxed);
}

/// Runs one worker on one event loop. Call everything but `counters()` on that loop's thread.
class Engine : private Processor, private BatchProcessor {
 public:
  Engine(boost::asio::io_context& loop, Identity identity, EngineSettings settings, kafka::ClientSettings client,
         kafka::ConsumerSettings consumer, Ports ports, Work& work);
  ~Engine() override;

  void start();
  /// Stops fetching, finishes the events in flight, commits, publishes and leaves; gives up at the drain deadline.
  /// Handled events are not delivered again after a stop within the deadline, but for those behind a backlog of another
  /// tenant that no longer fit into what is committed with the position: their inbox rows recognise them.
  /// @return false when handlers still run: then the process must end without destroying the objects they use.
  Task<bool> stop();

  Counters const& counters() const { return counters_; }
  /// How long running events are awaited: the setting, or what the work's longest call takes with its commit.
  std::chrono::milliseconds drain_deadline() const { return settings_.drain_deadline; }
  Identity const& identity() const { return identity_; }
  /// The position of each assigned partition: everything before it is finished.
  std::vector<kafka::Position> positions() const;
  OutboxPublisher& publisher() { return publisher_; }
  /// @throws Failure (outage), as committer(), in an engine without a database.
  postgres::TransactionPool& pool();
  UnitCommitter& committer();
  postgres::GatheredReads& reads();
  Ports& ports() { return ports_; }
  ErasedFilter const& erased() const { return erased_; }
  /// The database has answered a transaction of this event.
  void note_answer(Delivery const& delivery) { outages_.succeeded(event_of(delivery), Clock::now()); }
  /// Whom to leave out from now on. With a database the engine reads this once a second.
  void learn(postgres::ErasureNews news);
  /// Begins to bring a key into memory.
  void fetch_key(sealing::SealingPlan plan);
  /// Dispatcher::step_aside() and step_back() of an event that is being handled.
  void step_aside(Delivery& delivery);
  void step_back(Delivery& delivery);
  /// Dispatcher::work_in() of an event that is being handled.
  void work_in(Delivery& delivery, std::size_t bytes);
  /// After a rejected commit: asks the group whether the partition is still ours and, if so, takes it over again.
  void confirm_membership(Delivery const& delivery) { confirm_membership(*delivery.partition, delivery.epoch); }
  /// @param epoch that the commit was made with
  void confirm_membership(Partition& partition, std::int64_t epoch);

 private:
  using PartitionKey = std::pair<std::string, std::int32_t>;

  // Events from the poll thread.
  void on(Arrived& arrived);
  void on(Assigned& assigned);
  void on(Revoked& revoked);
  void on(Lost& lost);
  void on(Committed& committed);
  void on(Rewound& rewound);
  void on(Ended& ended);
  void on(Trouble& trouble);

  // Calls from both processors.
  void left(Delivery& delivery, bool finished) override;
  Task<Verdict> process(Delivery& delivery) override;
  Owner owner_of(Delivery const& delivery) override;
  void read_again(std::span<Delivery* const> run) override;
  void missed(Delivery& delivery) override;
  void put_away(std::span<Delivery* const> lane, std::chrono::milliseconds delay) override;
  void decode(Batch& batch, Delivery& delivery) override;
  void decode(Batch& batch, BatchEntry& entry);
  Task<> commit(Batch& batch) override;

  Task<> commit_entries(Batch& batch, std::vector<BatchEntry*> entries, std::uint32_t attempts);
  Task<> commit_once(Batch& batch, std::vector<BatchEntry*> const& entries);
  Task<> bury(Batch& batch, BatchEntry& entry);
  static void give_up_unless_wanted(Delivery const& delivery);
  std::unique_ptr<Dispatch> make_dispatch();

  bool handled_now(Partition& partition, std::uint64_t key_hash, kafka::Message& message);
  /// Names an event among those in memory.
  static std::uint64_t event_of(Delivery const& delivery) { return reinterpret_cast<std::uintptr_t>(&delivery); }
  /// What the exception means for this event; nothing if it was fenced.
  std::optional<Failure> judge(Delivery& delivery, std::exception_ptr const& error);
  Task<Verdict> resolve(Delivery& delivery, Attempt& attempt, std::exception_ptr error);
  /// Brings keys into memory that a KeysNeeded names.
  Task<> load_keys(std::exception_ptr needed);
  /// The event is about somebody who was erased, and its inbox row says so.
  Verdict leave_out(Delivery& delivery, log::EventFields const& fields);
  Task<Verdict> park(Delivery& delivery, Attempt& attempt, Failure const& failure);
  Task<> open(std::vector<std::shared_ptr<Partition>> partitions);
  Task<> learn_erasures();
  void poll_erasures();
  Task<> take_over(std::vector<std::shared_ptr<Partition>> const& partitions);
  Task<> publish_left(Partition const& partition);
  Task<> hand_back(std::vector<std::shared_ptr<Partition>> partitions);
  // What is deferred for long.
  struct DeferredLoad {
    std::shared_ptr<Partition> partition;
    DeferredKeys::Load load;
    std::vector<postgres::DeferredRecord> rows = {};
    bool more = false;
  };
  struct DeferredPlaces {
    std::shared_ptr<Partition> partition;
    std::int64_t epoch = 0;
    std::vector<DeferredKeys::Place> places;
  };
  /// Whether it waits in the database.
  bool stores_deferrals() const;
  bool waits_behind(Partition& partition, std::uint64_t key_hash, kafka::Message& message, Clock::time_point now);
  void left_row(Delivery& delivery, bool finished);
  Task<> adopt_deferred(std::vector<std::shared_ptr<Partition>> const& partitions);
  void adopt_deferred(Partition& partition, std::vector<postgres::DeferredKey> const& keys);
  Task<> tend_deferrals();
  void tend_deferrals_now();
  Task<bool> exchange_deferred();
  /// How many more deferred keys may be read now.
  std::size_t free_for_deferred() const;
  /// Wakes tend_deferrals() if a key is due and may be read. Else its timer does.
  void read_if_due(DeferredKeys const& keys);
  std::vector<DeferredLoad> due_keys();
  std::vector<DeferredPlaces> unwritten_places();
  void end_writes(std::vector<DeferredPlaces>& taken, std::vector<bool> const& written);
  void read_rows(std::vector<DeferredLoad> loads);
  void submit_rows(DeferredLoad const& load, std::span<Reread> records);
  bool has_unsaved_deferrals(std::vector<std::shared_ptr<Partition>> const& partitions) const;
  RecordLoader& loader();
  RecordPlace place_of(Delivery const& delivery) const;
  Delivery& new_delivery(Partition& partition, std::uint64_t key_hash, kafka::Message& message, Clock::time_point now);

  Task<bool> drained(std::vector<std::shared_ptr<Partition>> const& partitions, Clock::time_point deadline);
  Task<> housekeeping();
  Partition* find(rd_kafka_message_t const& message);
  void read_to_end(Partition& partition);
  void notice_jump(Partition& partition, rd_kafka_message_t const& message);
  void start_again(Partition const& partition, rd_kafka_message_t const& message);
  void count_missed(Partition const& partition, std::int64_t offset, std::int64_t records);
  void pass_tombstone();
  kafka::Position position_of(Partition const& partition) const;
  void send_commit(std::vector<kafka::Position> const& positions);
  void commit_positions();
  bool may_commit() const { return Clock::now() >= next_commit_; }
  void put_off_commits(Committed const& committed, rd_kafka_resp_err_t failed);
  void ask_whether_ours(Partition& partition);
  void commit_if_much_is_ahead(Partition const& partition);
  void refresh_counters();
  void refresh_oldest_deferred();
  void look_whether_sated();
  void weigh();
  void hold_back_over_share(Partition& partition);
  void set_ready(bool ready);

  boost::asio::io_context& loop_;
  Identity identity_;
  EngineSettings settings_;
  Ports ports_;
  Work& work_;
  std::vector<std::string> const topics_;
  kafka::ClientSettings const client_;
  PollThread poll_;
  OutboxPublisher publisher_;
  std::optional<UnitCommitter> committer_;
  std::optional<postgres::GatheredReads> reads_;
  Dispatcher* dispatcher_ = nullptr;  // null for work that takes batches
  std::unique_ptr<Dispatch> dispatch_;
  std::unique_ptr<RecordLoader> loader_;  // made when it is first needed
  DeliveryPool deliveries_;
  Delivery passing_;  // for an event that is handled on arrival
  RetryBudget budget_;
  OutageScope outages_;
  ErasedFilter erased_;
  Clock::time_point erasures_polled_;
  bool polling_erasures_ = false;
  std::map<PartitionKey, std::shared_ptr<Partition>> partitions_;
  // Partitions that were given up while some of their deliveries still ran.
  std::vector<std::shared_ptr<Partition>> leaving_;
  struct {
    rd_kafka_topic_t* topic = nullptr;
    std::int32_t partition = -1;
    Partition* found = nullptr;
  } last_;
  boost::asio::steady_timer housekeeping_timer_;
  boost::asio::steady_timer deferrals_timer_;
  bool exchange_wanted_ = false;
  Clock::time_point oldest_deferred_ = Clock::time_point::max();
  Clock::time_point oldest_looked_for_;
  PartitionKey first_due_;                              // whose deferred keys had the first slot
  std::vector<postgres::FencedPartition> in_exchange_;  // whose rows are being written or removed
  std::vector<postgres::DeferredPlace> finished_rows_;
  std::mt19937_64 random_{std::random_device{}()};
  // Every commit is answered once.
  std::uint64_t commits_sent_ = 0;
  std::uint64_t commits_answered_ = 0;
  bool member_refused_ = false;    // the last commit was refused, since the group no longer knows the member
  Clock::time_point next_commit_;  // when one that was refused is sent again
  // The broker's default limit for an offset's metadata (offset.metadata.max.bytes), with some room.
  std::size_t most_metadata_ = 3'800;
  Counters counters_;
  bool sated_ = false;
  bool crowded_ = false;
  Clock::time_point missed_logged_;
  bool stopping_ = false;
  bool stopped_ = false;
};

}  // namespace omnibus::engine
