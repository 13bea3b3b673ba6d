/// Decides the next step of a delivery from its state. Pure.
#pragma once

#include "workers/notify/providers/provider.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include <boost/describe/enum.hpp>

namespace omnibus::notify {

/// What a channel does with a message in doubt.
enum class DeliveryPolicy {
  at_most_once,   ///< left in doubt: it may never arrive
  at_least_once,  ///< sent again: it may arrive twice
};
BOOST_DESCRIBE_ENUM(DeliveryPolicy, at_most_once, at_least_once)

/// A delivery as its claimant finds it. The states are those of pipeline.delivery.
struct Found {
  std::string state;                       ///< empty if it is new
  std::int32_t attempt = 1;                ///< the attempt to make, or the one begun
  bool claimed = false;                    ///< this process may dispatch it
  std::chrono::milliseconds lease_left{};  ///< of another one's claim, or of its sending
  bool answered = false;                   ///< the outcome of this attempt is stored with it
};

enum class Step {
  send,     ///< claimed or new: nothing of this attempt has left
  settled,  ///< it ended before: nothing to do
  wait,     ///< another process has claimed it, or may still be sending it
  answer,   ///< it was being sent, and the sending process has stored the answer
  ask,      ///< it was being sent: the provider can be asked for its state
  resend,   ///< it was being sent, and is sent again
  doubt,    ///< it was being sent, and its state is unknown
};

/// @param unsent this process knows that it only recorded the sending and did not begin it.
Step next_step(Found const& found, bool unsent, Capabilities const& provider, DeliveryPolicy policy);

/// The next step for a message in doubt, once the provider did not know its state either.
Step without_answer(Capabilities const& provider, DeliveryPolicy policy);

}  // namespace omnibus::notify
