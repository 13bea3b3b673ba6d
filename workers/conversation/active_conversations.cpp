#include "workers/conversation/active_conversations.hpp"

#include "observability/log.hpp"
#include "observability/metrics.hpp"
#include "workers/conversation/store.hpp"

#include <chrono>
#include <exception>
#include <utility>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <pqxx/pqxx>

namespace omnibus::conversation {
namespace {

constexpr std::chrono::seconds count_interval{15};

}  // namespace

Task<> show_active_conversations(boost::asio::io_context& loop, TransactionPool& pool) {
  auto const gauge = Metrics::process().gauge<Metric::conversations_active>();
  boost::asio::steady_timer timer{loop};
  for (;;) {
    try {
      auto counting = pool.run([](pqxx::connection& connection) { return count_active(connection); });
      auto const active = co_await std::move(counting);
      gauge.set(static_cast<double>(active));
    } catch (std::exception const& error) {
      log::warn("running conversations could not be counted", {{"reason", error.what()}});
    }
    timer.expires_after(count_interval);
    auto wait = timer.async_wait(boost::asio::use_awaitable);
    co_await std::move(wait);
  }
}

}  // namespace omnibus::conversation
