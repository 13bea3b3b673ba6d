/// How the messages of a request wait for their turns.
#pragma once

#include "concurrency/task.hpp"
#include "handler/context.hpp"

#include <chrono>
#include <cstddef>

namespace omnibus::notify {

/// Gives a request's place in flight back while each of its messages that has not ended waits. The context must outlive
/// it, and it must outlive the pauses. Use it on the event loop only.
class RequestTurns {
 public:
  /// @param messages how many the request has
  RequestTurns(Context& context, std::size_t messages) : context_{context}, messages_{messages} {}

  /// One of the messages waits.
  Task<> pause(std::chrono::steady_clock::duration duration);
  /// One of the messages has ended.
  void ended();

 private:
  void look();

  Context& context_;
  std::size_t messages_;
  std::size_t waiting_ = 0;
  bool aside_ = false;
};

}  // namespace omnibus::notify
