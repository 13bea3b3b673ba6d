#include "concurrency/event_loops.hpp"

#include <thread>
#include <utility>

#include <boost/asio/executor_work_guard.hpp>

namespace omnibus {

EventLoops::EventLoops(std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) loops_.push_back(std::make_unique<boost::asio::io_context>(1));
}

void EventLoops::run() {
  std::vector<std::thread> threads;
  try {
    for (std::size_t i = 1; i < loops_.size(); ++i) threads.emplace_back([this, i] { run_one(*loops_[i]); });
    run_one(*loops_.front());
  } catch (...) {  // no further thread can be started
    note_failure();
  }
  for (auto& thread : threads) thread.join();
  if (auto const failed = std::exchange(failed_, nullptr)) std::rethrow_exception(failed);
}

void EventLoops::run_one(boost::asio::io_context& loop) {
  auto const guard = boost::asio::make_work_guard(loop);
  try {
    loop.run();
  } catch (...) {
    note_failure();
  }
}

void EventLoops::note_failure() {
  {
    std::scoped_lock const lock{mutex_};
    if (!failed_) failed_ = std::current_exception();
  }
  stop();
}

void EventLoops::stop() {
  for (auto const& loop : loops_) loop->stop();
}

}  // namespace omnibus
