#include "http/loop_watch.hpp"

#include <algorithm>
#include <utility>

namespace omnibus::http {
namespace {

constexpr std::chrono::milliseconds shortest_interval{1};
constexpr std::chrono::milliseconds longest_interval{1000};

}  // namespace

LoopWatch::LoopWatch(AdminServer& admin, boost::asio::io_context& loop, std::chrono::milliseconds limit,
                     std::string name)
    : interval_{std::clamp(limit / 8, shortest_interval, longest_interval)},
      pulse_{admin.add_pulse(std::move(name), limit)},
      timer_{loop} {
  if (limit > limit.zero()) beat();
}

LoopWatch::~LoopWatch() {
  pulse_->rest();
}

void LoopWatch::beat() {
  pulse_->beat();
  timer_.expires_after(interval_);
  timer_.async_wait([this](boost::system::error_code const& error) {
    if (!error) beat();
  });
}

}  // namespace omnibus::http
