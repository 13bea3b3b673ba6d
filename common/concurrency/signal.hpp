/// Waits for an event that happens once.
#pragma once

#include "concurrency/task.hpp"

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include <boost/asio/async_result.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace omnibus {

/// Many coroutines wait for it; one call wakes them all. Later waiters continue at once. Not thread-safe: wait and
/// raise on one event loop. Destroying it with coroutines waiting destroys these.
class Signal {
 public:
  /// Resumes when `raise` is called, from within that call.
  Task<> wait() {
    if (raised_) co_return;
    auto initiated = boost::asio::async_initiate<boost::asio::use_awaitable_t<> const, void()>(
        [this](auto handler) {
          // A std::function must be copyable, which a completion handler is not.
          auto shared = std::make_shared<decltype(handler)>(std::move(handler));
          waiting_.push_back([shared] { std::move (*shared)(); });
        },
        boost::asio::use_awaitable);
    co_await std::move(initiated);
  }

  void raise() {
    raised_ = true;
    for (auto& resume : std::exchange(waiting_, {})) resume();
  }

 private:
  bool raised_ = false;
  std::vector<std::function<void()>> waiting_;
};

}  // namespace omnibus
