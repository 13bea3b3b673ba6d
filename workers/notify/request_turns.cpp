#include "workers/notify/request_turns.hpp"

#include <utility>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace omnibus::notify {

Task<> RequestTurns::pause(std::chrono::steady_clock::duration duration) {
  ++waiting_;
  look();
  auto const executor = co_await boost::asio::this_coro::executor;
  boost::asio::steady_timer timer{executor, duration};
  auto waiting = timer.async_wait(boost::asio::use_awaitable);
  co_await std::move(waiting);
  --waiting_;
  look();
}

void RequestTurns::ended() {
  --messages_;
  look();
}

void RequestTurns::look() {
  auto const aside = waiting_ > 0 && waiting_ == messages_;
  if (std::exchange(aside_, aside) == aside) return;
  if (aside)
    context_.step_aside();
  else
    context_.step_back();
}

}  // namespace omnibus::notify
