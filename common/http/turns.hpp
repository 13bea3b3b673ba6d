/// What a program without an event loop shows of its main loop.
#pragma once

#include "http/admin_server.hpp"

#include <chrono>
#include <memory>

namespace omnibus::http {

/// A main loop says when a turn begins, and whether it went well: `/readyz` shows that, and `/livez` fails when a turn
/// takes longer than `longest` (zero: never). Between turns nothing is missed. Any thread; the server outlives it.
class Turns {
 public:
  Turns(AdminServer& admin, std::chrono::milliseconds longest)
      : ready_{admin.add_check("database")}, pulse_{admin.add_pulse("main loop", longest)} {}

  /// `waits`: for which it may wait, in addition to `longest`.
  void begin(std::chrono::milliseconds waits = {}) { pulse_->beat(waits); }
  void end(bool well) {
    ready_->set(well);
    pulse_->rest();
  }

 private:
  std::shared_ptr<AdminServer::Check> ready_;
  std::shared_ptr<AdminServer::Pulse> pulse_;
};

}  // namespace omnibus::http
