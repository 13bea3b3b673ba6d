/// The thread that polls Kafka and never waits for work.
#pragma once

#include "engine/read_pace.hpp"
#include "kafka/consumer.hpp"

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <variant>
#include <vector>

#include <boost/asio/io_context.hpp>

namespace omnibus::engine {

struct Arrived {
  std::vector<kafka::Message> messages;
  std::size_t bytes = 0;  ///< held_bytes() of all
};
struct Assigned {
  std::vector<kafka::Position> partitions;
};
struct Revoked {
  std::vector<kafka::TopicPartition> partitions;
};
struct Lost {
  std::vector<kafka::TopicPartition> partitions;
};
struct Committed {
  rd_kafka_resp_err_t error;
  std::vector<kafka::Position> positions;
};
struct Rewound {
  kafka::TopicPartition where;
};
struct Ended {
  kafka::Position position;
};
struct Trouble {
  kafka::Error error;
};
/// The poll thread's messages to the event loop, in the order in which they happened.
using Tidings = std::variant<Arrived, Assigned, Revoked, Lost, Committed, Rewound, Ended, Trouble>;

/// Owns the consumer and the thread that polls it. Passes messages to the event loop in batches: one post for all
/// messages since the last post. While more than `max_queued_bytes` are on their way to the event loop or held there,
/// it reads no more messages but still serves group events.
class PollThread : public kafka::ConsumerListener {
 public:
  /// `sink` is called on the event loop.
  PollThread(boost::asio::io_context& loop, kafka::ClientSettings client, kafka::ConsumerSettings settings,
             std::size_t max_queued_bytes, std::function<void(Tidings&)> sink);
  /// Stops and leaves the group.
  ~PollThread() override;

  void start();
  /// Reads no more messages; group events are still served.
  void stop_fetching() { fetching_.store(false, std::memory_order_relaxed); }
  /// Back-pressure for other reasons than bytes: no messages while any reason is set.
  enum class Reason : unsigned { unpublished = 1, sated = 2, crowded = 4 };
  void hold_back(Reason reason, bool hold);
  /// Reads no faster than this: enough is known that may start, but records of others may be behind it.
  void slow_down(ReadPace::Limit limit) { limit_.store(limit, std::memory_order_relaxed); }
  /// Reads a partition from there again; Rewound comes before the first message from there.
  void rewind(kafka::TopicPartition where, std::int64_t offset);
  /// Leaves the group and ends the thread. Blocks until the broker knows. The sink may still be called with what was
  /// posted before, if the loop runs on.
  void stop();

  /// Event loop: reports that so many of the bytes passed on have arrived.
  void arrived(std::size_t bytes);
  /// Event loop: reports what it holds.
  void hold(std::size_t bytes);
  std::size_t queued_bytes() const {
    return on_the_way_.load(std::memory_order_relaxed) + held_.load(std::memory_order_relaxed);
  }
  kafka::Consumer& consumer() { return *consumer_; }

 private:
  struct Rewind {
    kafka::TopicPartition where;
    std::int64_t offset;
  };

  void loop();
  void rewind_all();
  void wake_if_fallen(std::size_t before);
  void hand_over(Tidings tidings);
  void deliver();

  void on_assigned(std::vector<kafka::Position> partitions) override { hand_over(Assigned{std::move(partitions)}); }
  void on_revoked(std::vector<kafka::TopicPartition> partitions) override { hand_over(Revoked{std::move(partitions)}); }
  void on_lost(std::vector<kafka::TopicPartition> partitions) override { hand_over(Lost{std::move(partitions)}); }
  void on_committed(rd_kafka_resp_err_t error, std::vector<kafka::Position> positions) override {
    hand_over(Committed{error, std::move(positions)});
  }
  void on_end(kafka::Position position) override { hand_over(Ended{std::move(position)}); }
  void on_error(kafka::Error const& error) override { hand_over(Trouble{error}); }

  boost::asio::io_context& loop_;
  std::size_t const max_queued_bytes_;
  std::function<void(Tidings&)> sink_;
  std::unique_ptr<kafka::Consumer> consumer_;
  std::thread thread_;
  std::atomic<bool> fetching_{true};
  std::atomic<unsigned> held_back_{0};  // reasons
  std::atomic<std::size_t> undelivered_{0};
  std::atomic<bool> stopping_{false};
  std::atomic<std::size_t> on_the_way_{0};
  std::atomic<std::size_t> held_{0};
  std::atomic<ReadPace::Limit> limit_{};

  std::mutex mutex_;
  std::vector<Tidings> pending_;
  std::vector<Rewind> rewinds_;
};

}  // namespace omnibus::engine
