/// The event loops of a process.
#pragma once

#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <vector>

#include <boost/asio/io_context.hpp>

namespace omnibus {

/// Event loops with a thread each; the first one's is the thread that calls run(). Objects that belong to a loop, and
/// coroutines on it, must be destroyed while no loop runs.
class EventLoops {
 public:
  explicit EventLoops(std::size_t count);

  std::size_t count() const { return loops_.size(); }
  boost::asio::io_context& at(std::size_t index) { return *loops_.at(index); }
  boost::asio::io_context& first() { return *loops_.front(); }

  /// Runs all loops until stop(). @throws the first exception that left a loop, once all loops have ended.
  void run();
  /// Any thread.
  void stop();

 private:
  void run_one(boost::asio::io_context& loop);
  /// The exception being handled ends all loops.
  void note_failure();

  std::vector<std::unique_ptr<boost::asio::io_context>> loops_;
  std::mutex mutex_;
  std::exception_ptr failed_;
};

}  // namespace omnibus
