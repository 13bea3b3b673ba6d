/// Every gateway reads all of `chat.replies`, so that any of them can serve any conversation's stream.
#pragma once

#include "kafka/client_settings.hpp"
#include "workers/gateway/replies/reply_log.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

namespace omnibus::gateway {

/// Follows the end of `chat.replies`, or of a topic with another `read_event`, on a separate thread. Starts at most
/// `newest` records before the current end of the topic, survives outages of the broker, and notices added partitions.
class ReplyTail {
 public:
  /// The tail's callbacks, always on `executor`.
  struct Listener {
    /// All records of these partitions, from here on, will follow; the first call has all partitions.
    std::function<void(std::vector<Cursor> const& from)> begun;
    /// In the order of each partition.
    std::function<void(std::vector<Reply> replies)> arrived;
    /// What was on the topic when the tail began has arrived.
    std::function<void()> caught_up;
  };

  ReplyTail(kafka::ClientSettings settings, std::string topic, std::int64_t newest,
            boost::asio::any_io_executor executor, Listener listener, ReadEvent read_event = read_reply,
            OpenReply open = {});
  /// Stops; there are no more calls once the executor has run what was posted.
  ~ReplyTail();
  ReplyTail(ReplyTail const&) = delete;
  ReplyTail& operator=(ReplyTail const&) = delete;

  /// True while the topic is followed, from its end on, and a broker answers.
  bool ready() const { return ready_; }
  /// Ends the thread; may be called more than once.
  void stop();

 private:
  void run();
  void follow(ReplyLog& log);
  void begin_new_partitions(ReplyLog& log, std::vector<std::int32_t>& known);
  void tell(std::vector<Reply> replies);

  kafka::ClientSettings settings_;
  std::string topic_;
  std::int64_t newest_;
  boost::asio::any_io_executor executor_;
  Listener listener_;
  ReadEvent read_event_;
  OpenReply open_;
  std::counting_semaphore<> room_;  // batches that the executor has not processed yet
  std::atomic<bool> ready_{false};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace omnibus::gateway
