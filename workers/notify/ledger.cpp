#include "workers/notify/ledger.hpp"

namespace omnibus::notify {

Step next_step(Found const& found, bool unsent, Capabilities const& provider, DeliveryPolicy policy) {
  if (found.claimed) return Step::send;
  if (found.state == "dispatching") {
    if (unsent) return Step::send;
    if (found.answered) return Step::answer;
    if (found.lease_left.count() > 0) return Step::wait;
    if (!provider.honours_key && provider.look_up) return Step::ask;
    return without_answer(provider, policy);
  }
  if (found.state.empty() || found.state == "planned" || found.state == "claimed") return Step::wait;
  return Step::settled;
}

Step without_answer(Capabilities const& provider, DeliveryPolicy policy) {
  return provider.honours_key || policy == DeliveryPolicy::at_least_once ? Step::resend : Step::doubt;
}

}  // namespace omnibus::notify
