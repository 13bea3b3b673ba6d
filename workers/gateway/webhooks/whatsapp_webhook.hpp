/// `POST /webhooks/whatsapp`: Meta's reports about a WhatsApp number.
#pragma once

#include "workers/gateway/webhooks/inbound_event.hpp"

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace omnibus::gateway {

inline constexpr std::string_view whatsapp_cloud = "whatsapp_cloud";

/// The events of one payload, in its order.
struct WhatsappBatch {
  std::vector<InboundEvent> events;
  std::size_t passed_over = 0;  ///< of kinds that are not used here, or that cannot be read
};

/// Reads a batch: messages of people, of any kind, become WhatsappMessageReceived, statuses of ours
/// DeliveryReceiptReceived. All other entries (groups, system messages, changes of templates and accounts) are skipped,
/// also unreadable ones: if they were rejected, Meta would send the whole batch again for days.
/// @param tenant_of the tenant of one of our numbers; entries about a number without one are skipped, too.
/// @throws Refusal 400 when it is not a WhatsApp payload, 413 when it has more than two thousand entries.
using TenantOfNumber = std::function<std::optional<InboundRules>(std::string_view phone_number_id)>;
WhatsappBatch read_whatsapp(TenantOfNumber const& tenant_of, std::string_view body);

/// The same for one tenant. @param phone_number_id if not empty, entries about another number of ours are skipped, too.
WhatsappBatch read_whatsapp(InboundRules const& rules, std::string_view phone_number_id, std::string_view body);

/// The first of our numbers that a payload is about; empty if it names none.
std::string first_phone_number_id(std::string_view body);

}  // namespace omnibus::gateway
