/// Runs of retention, which the gdpr worker and the operator's tool begin: the table `pipeline.maintenance_runs`.
#pragma once

#include "retention/prune_task.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <boost/describe/class.hpp>

namespace pqxx {
class connection;
class transaction_base;
}  // namespace pqxx

namespace omnibus::retention {

struct PruneOptions {
  bool dry_run = false;  ///< only count
  bool force = false;    ///< begin although the task's guard would stop it
  std::string actor = "worker:gdpr";
  std::chrono::milliseconds slice{2'000};     ///< after this time the run is left for the next call
  std::chrono::milliseconds pause{50};        ///< between batches
  std::int64_t most_rows = 5'000;             ///< of a batch
  std::function<void()> after_batch = [] {};  ///< called when a batch is committed; may throw to end here
};

enum class PruneState {
  finished,
  unfinished,  ///< the slice is over: call again
  stopped,     ///< by the guard: an operator must begin it with `force`
  busy,        ///< another process is at it
  counted,     ///< a dry run
};

struct PruneReport {
  PruneState state = PruneState::busy;
  std::string cutoff;  ///< RFC 3339, UTC
  std::int64_t due = 0;
  std::int64_t total = 0;
  std::int64_t done = 0;  ///< rows of the whole run, also of calls before a crash
  std::int64_t held = 0;
  std::string reason{};  ///< of the guard, also in a dry run
  std::chrono::milliseconds longest_batch{0};
};

/// Begins a run of the task, or goes on with the one that was interrupted, from its position and with its cut-off. Each
/// batch is one transaction with the run's position and counts, so that a killed process loses and repeats nothing. One
/// process at a time, by an advisory lock of the session. All transactions are in UTC. The end of a run is audited for
/// each tenant that it took rows of.
/// @param connection used by nobody else meanwhile
/// @throws what libpqxx throws
PruneReport prune(pqxx::connection& connection, PruneTask const& task, PruneOptions const& options = {});

/// What a finished run did to one table of one tenant.
struct PruneCount {
  std::string run;
  std::string name;  ///< of the task
  std::string domain;
  std::string table;  ///< `held` for rows that holds kept
  std::int64_t rows = 0;
  std::string cutoff;  ///< RFC 3339, UTC
};
BOOST_DESCRIBE_STRUCT(PruneCount, (), (run, name, domain, table, rows, cutoff))

/// The counts of finished runs whose events were not published yet; marks them as published, in the caller's
/// transaction. Ordered by run, domain and table.
std::vector<PruneCount> take_unannounced(pqxx::transaction_base& transaction);

}  // namespace omnibus::retention
