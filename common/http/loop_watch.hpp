#pragma once

#include "http/admin_server.hpp"

#include <chrono>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

namespace omnibus::http {

/// Lets `/livez` fail while an event loop does not turn, because a handler blocks it. From now until destroyed: a loop
/// that has ended is not missed. Make and destroy it on the loop's thread, or while no loop runs.
class LoopWatch {
 public:
  /// `limit`: how long a turn may take; zero: for ever. `/livez` says `name`.
  LoopWatch(AdminServer& admin, boost::asio::io_context& loop, std::chrono::milliseconds limit,
            std::string name = "event loop");
  ~LoopWatch();
  LoopWatch(LoopWatch const&) = delete;
  LoopWatch& operator=(LoopWatch const&) = delete;

 private:
  void beat();

  std::chrono::milliseconds const interval_;
  std::shared_ptr<AdminServer::Pulse> const pulse_;
  boost::asio::steady_timer timer_;
};

}  // namespace omnibus::http
