/// One process's part in a replay.
#pragma once

#include "concurrency/outgoing.hpp"
#include "concurrency/task.hpp"
#include "engine/engine.hpp"
#include "engine/replay/replay.hpp"
#include "engine/replay/replay_arguments.hpp"
#include "engine/replay/replay_pace.hpp"
#include "engine/replay/replay_store.hpp"
#include "kafka/client_settings.hpp"
#include "postgres/pool.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace omnibus::engine {

/// Begins or resumes a run. Its window is fixed once, in the database and as the offsets of its consumer group, so that
/// any number of processes can share it and a crash of any does no harm. While it exists, nothing is sent to anyone:
/// see OutgoingBan. Stores and shows the progress: a log line every few seconds, and on a terminal a status line.
class ReplaySession {
 public:
  /// Exit statuses.
  static constexpr int ended_well = 0;
  static constexpr int ended_with_failures = 3;
  static constexpr int not_ended = 4;

  /// Blocks. `live_group` is the worker's group, from which the replay's is named; `member` names this process.
  /// @throws std::runtime_error for a role that may publish, a run of another worker, or a window that changed.
  ReplaySession(ReplayArguments const& arguments, std::string const& worker, std::string const& live_group,
                std::string member, kafka::ClientSettings const& client, postgres::PoolSettings database);

  ReplayRun const& run() const { return run_; }
  Replay& replay() { return *replay_; }
  /// Whether the window is complete.
  bool ended() const { return status_.ended_at.has_value(); }

  /// Stores the engine's progress until all processes have completed the window. Use it on the event loop only.
  Task<> watch(Engine const& engine, postgres::TransactionPool& pool);
  /// Stores the rest, once the engine has stopped (null when there was none), and reports how it ended. Blocks.
  /// @return the exit status.
  int finish(Engine const* engine);

 private:
  void begin(pqxx::transaction_base& transaction, ReplayArguments const& arguments,
             kafka::ClientSettings const& client);
  ReplayReport report(Engine const& engine);
  ReplayStatus keep(pqxx::connection& connection, ReplayReport const& report) const;
  void show(bool last);

  OutgoingBan ban_;
  std::string member_;
  postgres::PoolSettings database_;
  ReplayRun run_;
  std::optional<Replay> replay_;
  ReplayStatus status_;
  Pace pace_;
  bool terminal_ = false;
  std::chrono::steady_clock::time_point logged_{};
};

}  // namespace omnibus::engine
