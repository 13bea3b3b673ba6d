/// `POST /webhooks/calls`: the telephony system reports that a call has ended.
#pragma once

#include "workers/gateway/webhooks/inbound_event.hpp"

#include <string_view>

namespace omnibus::gateway {

/// Reads `{"call_id","phone_number"}` and, if present, `summary` and `transcript` (`[{"speaker","text"}]`)
/// into a CallTerminated. One call is one event, even if it is reported several times.
/// @throws Refusal 400 or 422 naming the field.
InboundEvent read_call(InboundRules const& rules, std::string_view body);

}  // namespace omnibus::gateway
