#include "workers/gdpr/erasure/erasure_pace.hpp"

#include <utility>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace omnibus::gdpr {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds between_steps{10};
constexpr milliseconds between_looks{100};

Task<> pause(milliseconds time) {
  boost::asio::steady_timer timer{co_await boost::asio::this_coro::executor, time};
  auto waiting = timer.async_wait(boost::asio::use_awaitable);
  co_await std::move(waiting);
}

}  // namespace

Task<ErasurePace::Turn> ErasurePace::turn() {
  while (*running_ >= most_) {
    auto waiting = pause(between_looks);
    co_await std::move(waiting);
  }
  co_return Turn{running_};
}

Task<> ErasurePace::rest() {
  return pause(between_steps);
}

}  // namespace omnibus::gdpr
