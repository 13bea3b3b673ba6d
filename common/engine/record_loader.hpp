/// Reads records again that were dropped from memory.
#pragma once

#include "engine/dispatch/dispatcher.hpp"
#include "kafka/client_settings.hpp"
#include "kafka/consumer.hpp"
#include "kafka/partition_reader.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include <boost/asio/io_context.hpp>

namespace omnibus::engine {

/// A record that was consumed once, and what tells that another has its place now.
struct RecordPlace {
  kafka::TopicPartition where;
  std::uint64_t salt = 0;      ///< lane_salt() of the partition
  std::uint64_t key_hash = 0;  ///< its lane
  std::int64_t offset = 0;
  std::int64_t timestamp_ms = 0;
};

/// Reads with a consumer and a thread of its own, outside of any group: the poll thread and its prefetched records are
/// not disturbed. A partition that cannot be read is left alone for some seconds, so that it does not hold up others.
/// Call its functions on the event loop.
class RecordLoader {
 public:
  using Sink = std::function<void(std::vector<Reread>)>;

  RecordLoader(boost::asio::io_context& loop, kafka::ClientSettings client);
  ~RecordLoader();
  RecordLoader(RecordLoader const&) = delete;
  RecordLoader& operator=(RecordLoader const&) = delete;

  /// The answer has one entry for each place, in the same order. `sink` is called with it on the event loop, in the
  /// order of the calls.
  void read(std::vector<RecordPlace> places, Sink sink);
  /// Ends the thread; waits for a read that is under way, some seconds at most. Then no sink is called any more.
  void stop();

 private:
  using Clock = std::chrono::steady_clock;
  struct Asked {
    std::vector<RecordPlace> places;
    Sink sink;
  };
  /// Reads that found the log to end before the record, and since when.
  using Ends = std::map<kafka::TopicPartition, Clock::time_point>;

  void loop();
  std::vector<Reread> read_all(std::vector<RecordPlace> const& places);
  void read_stretch(std::vector<RecordPlace> const& places, std::span<std::size_t const> stretch,
                    std::vector<Reread>& records);
  bool ended_for_long(kafka::TopicPartition const& where);

  boost::asio::io_context& loop_;
  kafka::ClientSettings const client_;
  // Of the thread.
  std::map<kafka::TopicPartition, Clock::time_point> left_alone_until_;
  Ends ends_;
  std::unique_ptr<kafka::PartitionReader> reader_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Asked> asked_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace omnibus::engine
