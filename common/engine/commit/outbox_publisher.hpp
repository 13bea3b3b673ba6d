/// Publishes what was committed, and forgets it once the broker has it.
#pragma once

#include "concurrency/task.hpp"
#include "kafka/producer.hpp"
#include "postgres/outbox.hpp"
#include "postgres/pool.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

namespace omnibus::engine {

/// Rows are published in the order in which they are given, also when some fail and go again, and removed from the
/// outbox in batches after the broker acknowledged them. What is not removed when the process dies is published again
/// by whoever takes its partition over, with the same event ids. Belongs to the event loop.
class OutboxPublisher {
 public:
  /// Without a pool rows have no place in a database and are only published.
  OutboxPublisher(boost::asio::io_context& loop, kafka::Producer& producer, postgres::TransactionPool* pool);
  ~OutboxPublisher();

  void publish(std::vector<postgres::OutboxRow> rows);
  /// Resumes when everything given so far is acknowledged and removed, or at `deadline`. @return whether all was.
  Task<bool> drain(std::chrono::steady_clock::time_point deadline);
  /// Rows that the broker has not acknowledged yet.
  std::size_t unpublished() const { return unpublished_; }

 private:
  /// A row that waits to be handed to the producer. The earlier one is given, the lower its number.
  struct Waiting {
    std::uint64_t number;
    postgres::OutboxRow row;
  };
  struct Acknowledged;
  void send_backlog();
  void take_back_failed();
  void retry_later();
  void on_acknowledged();
  Task<> remove();

  boost::asio::io_context& loop_;
  kafka::Producer& producer_;
  postgres::TransactionPool* pool_;
  boost::asio::steady_timer retry_;
  std::deque<Waiting> backlog_;  ///< by number
  std::vector<std::int64_t> to_remove_;
  std::shared_ptr<Acknowledged> acknowledged_;
  std::size_t unpublished_ = 0;
  std::uint64_t given_ = 0;
  bool removing_ = false;
};

}  // namespace omnibus::engine
