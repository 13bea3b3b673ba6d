/// `POST /webhooks/whatsapp`: what Meta tells of a WhatsApp number.
#pragma once

#include "workers/gateway/webhooks/inbound_event.hpp"

#include <cstddef>
#include <string_view>
#include <vector>

namespace omnibus::gateway {

inline constexpr std::string_view whatsapp_cloud = "whatsapp_cloud";

/// The events of one payload, in its order.
struct WhatsappBatch {
  std::vector<InboundEvent> events;
  std::size_t passed_over = 0;  ///< of kinds that concern nobody here, or that cannot be read
};

/// Reads a batch: messages of people become WhatsappMessageReceived, statuses of ours DeliveryReceiptReceived, all else
/// (reactions, groups, system messages, changes of templates and accounts) is passed over, and so is one that cannot be
/// read: refused, Meta would send all of them again for days.
/// @param phone_number_id where not empty, what is about another number of ours is passed over, too.
/// @throws Refusal 400 when it is no payload of WhatsApp, 413 when it tells of more than two thousand things.
WhatsappBatch read_whatsapp(InboundRules const& rules, std::string_view phone_number_id, std::string_view body);

}  // namespace omnibus::gateway
