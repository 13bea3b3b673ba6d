/// The database's record of replays: their windows and their progress.
#pragma once

#include "engine/replay/replay.hpp"
#include "kafka/offset_window.hpp"
#include "uuid/uuid.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/describe/class.hpp>

namespace pqxx {
class connection;
class transaction_base;
}  // namespace pqxx

namespace omnibus::engine {

/// A replay as it was begun.
struct ReplayRun {
  std::string run, worker, group;
  std::vector<std::string> topics;
  std::string from, to;  ///< as kafka::to_string(Moment) writes them

  /// The namespace of its inbox.
  Uuid id() const;
};
BOOST_DESCRIBE_STRUCT(ReplayRun, (), (run, worker, group, topics, from, to))

struct ReplayPartition {
  std::string topic;
  std::int32_t partition = 0;
  std::int64_t from = 0;
  std::int64_t to = 0;
  std::int64_t position = 0;  ///< everything before it is done
};
BOOST_DESCRIBE_STRUCT(ReplayPartition, (), (topic, partition, from, to, position))

struct ReplayOutcome {
  std::string outcome, reason;
  std::int64_t events = 0;
};
BOOST_DESCRIBE_STRUCT(ReplayOutcome, (), (outcome, reason, events))

/// The state of a replay, over all its processes. Counts are of offsets: a compacted topic has fewer events.
struct ReplayStatus {
  std::string run, worker, group;
  std::vector<std::string> topics;
  std::string from, to;
  std::string state;  ///< running, interrupted or ended
  std::string started_by, started_at;
  std::optional<std::string> ended_at;
  std::int64_t events = 0;
  std::int64_t done = 0;
  std::int64_t processes = 0;                ///< running now
  double per_second = 0;                     ///< of these processes together; of the whole run once it has ended
  std::optional<std::int64_t> seconds_left;  ///< absent while no process works on it
  std::int64_t handled = 0;
  std::int64_t skipped = 0;
  std::int64_t failed = 0;
  std::int64_t suppressed = 0;
};
BOOST_DESCRIBE_STRUCT(ReplayStatus, (),
                      (run, worker, group, topics, from, to, state, started_by, started_at, ended_at, events, done,
                       processes, per_second, seconds_left, handled, skipped, failed, suppressed))

/// A right that a replay's role must not have: "insert into pipeline.outbox" and such, of any table of the pipeline but
/// the inbox, the fence, the keys of calls and a replay's own. Empty when the role is fit.
std::string forbidden_right(pqxx::transaction_base& transaction);

/// Prevents every other process from beginning the same run, until the transaction ends.
void lock_run(pqxx::transaction_base& transaction, std::string_view run);
std::optional<ReplayRun> find_run(pqxx::transaction_base& transaction, std::string_view run);
void create_run(pqxx::transaction_base& transaction, ReplayRun const& run, std::string_view started_by,
                std::vector<kafka::OffsetRange> const& window);
std::vector<ReplayPartition> partitions_of(pqxx::transaction_base& transaction, std::string_view run);
std::vector<ReplayOutcome> outcomes_of(pqxx::transaction_base& transaction, std::string_view run);

/// The progress of one process since its last report.
struct ReplayReport {
  std::string member;
  double per_second = 0;
  std::vector<kafka::Position> positions;
  Replay::Counts counts;
};
/// Stores the progress; the run has ended when every partition is complete.
void save(pqxx::transaction_base& transaction, std::string_view run, ReplayReport const& report);

/// One run, or all runs, the newest first.
std::vector<ReplayStatus> replay_status(pqxx::transaction_base& transaction, std::optional<std::string> const& run);

}  // namespace omnibus::engine
