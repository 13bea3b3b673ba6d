/// Filters out repeated replies of a stream.
#pragma once

#include "workers/gateway/replies/reply.hpp"

#include <cstddef>
#include <deque>
#include <string>

namespace omnibus::gateway {

/// A turn that is retried publishes its deltas again; a stream sends each part once, and nothing of a turn after its
/// end. Remembers the last few turns of one conversation.
class TurnFilter {
 public:
  /// Records the reply as sent; false when it already was.
  bool admit(Reply const& reply);

 private:
  struct Turn {
    std::string in_reply_to;
    std::int64_t last_index = -1;
    bool ended = false;
  };
  static constexpr std::size_t remembered = 16;
  std::deque<Turn> turns_;
};

}  // namespace omnibus::gateway
