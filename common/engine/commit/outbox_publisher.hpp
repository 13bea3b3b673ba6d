/// Publishes committed outbox rows, and deletes each once the broker has acknowledged it, or sets it aside.
#pragma once

#include "concurrency/task.hpp"
#include "kafka/producer.hpp"
#include "postgres/outbox.hpp"
#include "postgres/pool.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <unordered_set>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

namespace omnibus::engine {

/// Publishes rows in the given order, also when some fail and are retried. Removes rows from the outbox in batches,
/// once the broker acknowledged them, and sets those aside that it refuses. If the process dies, the partition's next
/// owner publishes the remaining rows with the same event ids. Use it on the event loop only.
class OutboxPublisher {
 public:
  /// Without a pool, rows are not stored in a database and are only published.
  OutboxPublisher(boost::asio::io_context& loop, kafka::Producer& producer, postgres::TransactionPool* pool);
  ~OutboxPublisher();

  /// A row that was given before and is still in the outbox is left out.
  void publish(std::vector<postgres::OutboxRow> rows);
  /// Resumes when all rows given so far are acknowledged and removed or refused, or at `deadline`. @return whether all
  /// were.
  Task<bool> drain(std::chrono::steady_clock::time_point deadline);
  /// Rows that the broker has not acknowledged yet.
  std::size_t unpublished() const { return unpublished_; }

 private:
  /// A row that waits for the producer. Rows are numbered in the order given.
  struct Waiting {
    std::uint64_t number;
    postgres::OutboxRow row;
  };
  struct Acknowledged;
  void send_backlog();
  void take_back_failed();
  void retry_later();
  void on_acknowledged();
  void refuse(postgres::RefusedRow row);
  void settle();
  Task<> remove();

  boost::asio::io_context& loop_;
  kafka::Producer& producer_;
  postgres::TransactionPool* pool_;
  boost::asio::steady_timer retry_;
  std::deque<Waiting> backlog_;            ///< by number
  std::unordered_set<std::int64_t> held_;  ///< given, and not gone from the outbox
  std::vector<std::int64_t> to_remove_;
  std::vector<postgres::RefusedRow> to_refuse_;
  std::shared_ptr<Acknowledged> acknowledged_;
  std::size_t unpublished_ = 0;
  std::uint64_t given_ = 0;
  bool removing_ = false;
};

}  // namespace omnibus::engine
