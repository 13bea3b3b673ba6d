/// Every gateway reads all of `chat.replies`, so that any of them can serve any conversation's stream.
#pragma once

#include "concurrency/task.hpp"
#include "kafka/client_settings.hpp"
#include "workers/gateway/replies/reply_log.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

namespace omnibus::gateway {

/// Follows the end of `chat.replies`, or of a topic with another `read_event`, on a separate thread. Starts at the
/// current end of the topic, survives outages of the broker, and notices added partitions.
class ReplyTail {
 public:
  /// The tail's callbacks, always on `executor`.
  struct Listener {
    /// All records of these partitions, from here on, will follow; the first call has all partitions.
    std::function<void(std::vector<Cursor> const& from)> begun;
    /// In the order of each partition.
    std::function<void(std::vector<Reply> replies)> arrived;
  };

  ReplyTail(kafka::ClientSettings settings, std::string topic, boost::asio::any_io_executor executor, Listener listener,
            ReadEvent read_event = read_reply, OpenReply open = {});
  /// Stops; there are no more calls once the executor has run what was posted.
  ~ReplyTail();
  ReplyTail(ReplyTail const&) = delete;
  ReplyTail& operator=(ReplyTail const&) = delete;

  /// True while the topic is followed and a broker answers.
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
  boost::asio::any_io_executor executor_;
  Listener listener_;
  ReadEvent read_event_;
  OpenReply open_;
  std::counting_semaphore<> room_;  // batches that the executor has not processed yet
  std::atomic<bool> ready_{false};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

/// Reads a part of the log for a stream that resumes before the part in memory. One thread, one request
/// after the other.
class ReplyHistory {
 public:
  ReplyHistory(kafka::ClientSettings settings, std::string topic, std::size_t max_waiting, OpenReply open = {});
  ~ReplyHistory();
  ReplyHistory(ReplyHistory const&) = delete;
  ReplyHistory& operator=(ReplyHistory const&) = delete;

  struct Stretch {
    std::vector<Reply> replies;  ///< of the conversation, in order
    std::int64_t next = 0;       ///< everything of the partition before it has been read
  };
  /// The conversation's replies of one partition from `first` on and before `end`. Reads a limited number of records a
  /// call, so call again with `next` until it reaches `end`.
  /// @throws kafka::Error; Refusal 503 when too many streams wait to resume.
  Task<Stretch> read(Uuid conversation_id, Cursor first, std::int64_t end);
  /// The offset of the partition's next record; 0 for a missing partition. @throws as read does.
  Task<std::int64_t> end_of(std::int32_t partition);

  void stop();

 private:
  class Implementation;
  template <class Result>
  Task<Result> run(std::function<Result(Implementation&)> work);

  std::shared_ptr<Implementation> implementation_;
};

}  // namespace omnibus::gateway
