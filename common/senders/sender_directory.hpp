/// The tenants' senders, as they are stored.
#pragma once

#include "concurrency/signal.hpp"
#include "concurrency/task.hpp"
#include "postgres/pool.hpp"
#include "senders/sender.hpp"

#include <chrono>
#include <functional>
#include <memory>

namespace pqxx {
class connection;
}

namespace omnibus::senders {

/// Reads all senders. @throws what libpqxx throws
std::vector<Sender> read_senders(pqxx::connection& connection);

/// Keeps the list of senders in memory and reads it anew when it is asked for and too old. Use it on one event loop;
/// the pool must outlive it.
class SenderDirectory {
 public:
  using Clock = std::chrono::steady_clock;

  SenderDirectory(TransactionPool& pool, std::chrono::milliseconds refresh,
                  std::function<Clock::time_point()> now = &Clock::now)
      : pool_{pool}, refresh_{refresh}, now_{std::move(now)} {}

  /// The list, read at most `refresh` ago. If the database does not answer, the last one that was read stays in use.
  /// @throws what TransactionPool::run throws, only while no list has been read.
  Task<SharedSenders> senders();

 private:
  Task<> reload();

  TransactionPool& pool_;
  std::chrono::milliseconds const refresh_;
  std::function<Clock::time_point()> const now_;
  SharedSenders senders_;
  Clock::time_point read_at_{};
  std::unique_ptr<Signal> reading_;
};

}  // namespace omnibus::senders
