#include "workers/gateway/replies/turn_filter.hpp"

#include <algorithm>

namespace omnibus::gateway {

bool TurnFilter::admit(Reply const& reply) {
  auto turn = std::find_if(turns_.begin(), turns_.end(),
                           [&](Turn const& known) { return known.in_reply_to == reply.in_reply_to; });
  if (turn == turns_.end()) {
    if (turns_.size() >= remembered) turns_.pop_front();
    turn = turns_.insert(turns_.end(), Turn{reply.in_reply_to});
  }
  if (turn->ended) return false;
  if (reply.ends_turn()) {
    turn->ended = true;
    return true;
  }
  if (reply.index <= turn->last_index) return false;
  turn->last_index = reply.index;
  return true;
}

}  // namespace omnibus::gateway
