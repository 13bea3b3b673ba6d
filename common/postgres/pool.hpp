/// Runs blocking database work off the event loop.
#pragma once

#include "concurrency/task.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

namespace pqxx {
class connection;
}

namespace omnibus::postgres {

/// Thrown to the caller of run() when the pool's queue is full or the pool is closed. Transient.
struct PoolUnavailable : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Connection and size of a TransactionPool.
struct PoolSettings {
  std::string url;                                      ///< libpq URL or key=value string.
  std::size_t size = 8;                                 ///< Threads, each with one connection.
  std::size_t max_queued = 65536;                       ///< Jobs that wait; one more throws PoolUnavailable.
  std::size_t max_queued_of_share = 65536;              ///< The same for the jobs of one share.
  std::chrono::milliseconds max_wait{0};                ///< For a thread; then PoolUnavailable. 0: none.
  std::string application_name = "omnibus";             ///< Shown in pg_stat_activity.
  std::int64_t statement_timeout_ms = 30000;            ///< 0: none. A lock is waited for two thirds of it, so that a
                                                        ///< locked table is distinguished from a slow statement.
  std::int64_t idle_in_transaction_timeout_ms = 15000;  ///< Ends a paused worker's transaction, so that its successor
                                                        ///< need not wait for it. 0: none.
  std::int64_t connect_timeout_s = 5;                   ///< For one attempt to connect.
  std::chrono::milliseconds plan_again_after{1'000};    ///< A session makes its plans anew after this time, after twice
                                                        ///< as long again, and so on up to ten minutes. A plan is made
                                                        ///< for tables as they are, and kept while they grow: in a new
                                                        ///< database each index looks as good as the right one.
  std::function<void(pqxx::connection&)> on_connect;    ///< Runs on every new connection: prepare statements here.
  /// Called after each job with its waiting time and its running time, on the pool's thread. Must not throw.
  std::function<void(std::chrono::nanoseconds queued, std::chrono::nanoseconds ran)> observe;
};

/// N threads, each with its own connection, that run blocking libpqxx work for coroutines.
///
/// Connections are opened by the first job that needs one, and again after a connection broke. A job that meets a
/// broken connection fails and is not repeated. A job whose prepared statement a migration has made unusable is run
/// again, once, on a new connection: work that prepares statements must not commit anything before it runs one. Any
/// thread may call run(); the pool must outlive callers' coroutines, and be closed before the io_context they run on is
/// destroyed.
class TransactionPool {
 public:
  explicit TransactionPool(PoolSettings settings);
  TransactionPool(TransactionPool const&) = delete;
  TransactionPool& operator=(TransactionPool const&) = delete;
  /// Closes.
  ~TransactionPool();

  /// Runs `work(connection)` on a thread of the pool and resumes on the caller's executor with its result. Jobs wait in
  /// the order of their calls; the shares (tenants, for instance) take turns.
  /// Cancelling the caller does not stop queued work.
  /// @throws what `work` threw, pqxx::broken_connection when the database cannot be reached, PoolUnavailable.
  template <class F>
  Task<std::invoke_result_t<F&, pqxx::connection&>> run(F work, std::string share = {}) {
    using Result = std::invoke_result_t<F&, pqxx::connection&>;
    if constexpr (std::is_void_v<Result>) {
      Job job = [&work](pqxx::connection& connection) { work(connection); };
      auto done = execute(std::move(job), share);
      co_await std::move(done);
    } else {
      std::optional<Result> result;
      Job job = [&work, &result](pqxx::connection& connection) { result.emplace(work(connection)); };
      auto done = execute(std::move(job), share);
      co_await std::move(done);
      co_return std::move(*result);
    }
  }

  /// The number of jobs that run at once.
  std::size_t size() const;

  /// Jobs waiting for a thread.
  std::size_t queued() const;

  /// Accepts no new work, finishes queued work and joins the threads. Blocks; may be called more than once.
  void close();

 private:
  using Job = std::function<void(pqxx::connection&)>;
  struct State;

  Task<> execute(Job job, std::string share);

  std::unique_ptr<State> state_;
};

/// Connects as the pool does: with time-outs, keep-alives and application name. For work outside a pool.
/// @throws pqxx::broken_connection
std::unique_ptr<pqxx::connection> connect(PoolSettings const& settings);

}  // namespace omnibus::postgres

namespace omnibus {
using postgres::PoolSettings;
using postgres::TransactionPool;
}  // namespace omnibus
