/// One process's part in a replay.
#pragma once

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

/// Begins a run or goes on with it: its window is fixed once, in the database and as the offsets of its own group, so
/// that any number of processes can share it and any of them may die. Then keeps the progress and shows it: a log line
/// every few seconds, and on a terminal a line that stays.
class ReplaySession {
 public:
  /// Exit statuses.
  static constexpr int ended_well = 0;
  static constexpr int ended_with_failures = 3;
  static constexpr int not_ended = 4;

  /// Blocks. `live_group` is the worker's own, after which the replay's is named; `member` names this process.
  /// @throws std::runtime_error for a role that may publish, for a run that is another's, for a window that changed.
  ReplaySession(ReplayArguments const& arguments, std::string const& worker, std::string const& live_group,
                std::string member, kafka::ClientSettings const& client, postgres::PoolSettings database);

  ReplayRun const& run() const { return run_; }
  Replay& replay() { return *replay_; }
  /// Nothing of the window is left.
  bool ended() const { return status_.ended_at.has_value(); }

  /// Keeps what the engine did until the whole window is done, by whomever. Belongs to the event loop.
  Task<> watch(Engine const& engine, postgres::TransactionPool& pool);
  /// Keeps the rest, once the engine has stopped (null when there was none), and says how it ended. Blocks.
  /// @return the exit status.
  int finish(Engine const* engine);

 private:
  void begin(pqxx::transaction_base& transaction, ReplayArguments const& arguments,
             kafka::ClientSettings const& client);
  ReplayReport report(Engine const& engine);
  ReplayStatus keep(pqxx::connection& connection, ReplayReport const& report) const;
  void show(bool last);

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
