/// What is done next with a delivery, by the state it is found in. Pure.
#pragma once

#include "workers/notify/providers/provider.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include <boost/describe/enum.hpp>

namespace omnibus::notify {

/// What a channel does with a message whose fate nobody knows.
enum class DeliveryPolicy {
  at_most_once,   ///< left in doubt: it may never arrive
  at_least_once,  ///< sent again: it may arrive twice
};
BOOST_DESCRIBE_ENUM(DeliveryPolicy, at_most_once, at_least_once)

/// A delivery as its claimant finds it. The states are those of pipeline.delivery.
struct Found {
  std::string state;                       ///< empty where it is not to be seen yet: somebody else is planning it
  std::int32_t attempt = 1;                ///< the sending that is to be made, or was begun
  bool claimed = false;                    ///< this process may dispatch it
  std::chrono::milliseconds lease_left{};  ///< of another one's claim, or of its sending
  bool answered = false;                   ///< what became of this attempt was left with it
};

enum class Step {
  send,     ///< claimed: nothing of this attempt has left
  settled,  ///< it ended before: nothing is to be done
  wait,     ///< another process has claimed it, or may be sending it still
  answer,   ///< it was on its way, and the process that sent it has left the answer
  ask,      ///< it was on its way: the provider can be asked what became of it
  resend,   ///< it was on its way, and is sent again
  doubt,    ///< it was on its way, and nobody can tell
};

/// @param unsent this process knows that it got no further than writing down that it would send.
Step next_step(Found const& found, bool unsent, Capabilities const& provider, DeliveryPolicy policy);

/// What is done about a message that nobody knows the fate of, once the provider could not tell either.
Step without_answer(Capabilities const& provider, DeliveryPolicy policy);

}  // namespace omnibus::notify
