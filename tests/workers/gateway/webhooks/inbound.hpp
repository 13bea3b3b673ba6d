/// What tests of webhooks share.
#pragma once

#include "workers/gateway/door/refusal.hpp"
#include "workers/gateway/webhooks/inbound_event.hpp"

namespace omnibus::gateway {

/// At 2025-11-20T12:00:30Z.
inline InboundRules inbound_rules() {
  return {"shop.example", "RW", "0123456789abcdef", 1'763'640'030'000};
}

/// What `read` refused; status 0 when it did not.
template <class Read>
Refusal refusal_of(Read&& read) {
  try {
    read();
  } catch (Refusal const& refusal) {
    return refusal;
  }
  return {0, "was taken"};
}

}  // namespace omnibus::gateway
