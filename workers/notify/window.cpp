#include "workers/notify/window.hpp"

namespace omnibus::notify {
namespace {

constexpr std::int64_t window_ms = std::chrono::milliseconds{whatsapp_window}.count();

/// The digits of a JID, `250788123456@s.whatsapp.net` or `250788123456:3@...`, are a wa_id.
std::string_view digits_of(std::string_view jid) {
  return jid.substr(0, jid.find_first_of("@:"));
}

std::string whatsapp_recipient(Person const& person) {
  if (person.whatsapp_jid && !digits_of(*person.whatsapp_jid).empty())
    return std::string{digits_of(*person.whatsapp_jid)};
  if (person.phone_number) return *person.phone_number;
  return person.whatsapp_user_id.value_or("");
}

}  // namespace

Way find_way(Person const& person, std::string_view channel, std::string_view kind, bool has_template,
             std::optional<std::int64_t> expires_ms, std::int64_t now_ms) {
  auto const asked_for = kind == "opt_out" || kind == "opt_in" || kind == "help";
  if (expires_ms && *expires_ms <= now_ms) return {{}, false, "expired"};
  if (channel == "sms") {
    if (!person.phone_number) return {{}, false, "no_phone_number"};
    if (person.has_sms == false) return {{}, false, "no_sms"};
    if (person.sms_opt_out && !asked_for) return {{}, false, "opted_out"};
    return {*person.phone_number};
  }
  if (person.has_whatsapp == false) return {{}, false, "no_whatsapp"};
  auto recipient = whatsapp_recipient(person);
  if (recipient.empty()) return {{}, false, "no_phone_number"};
  if (person.whatsapp_opt_out && !asked_for) return {{}, false, "opted_out"};
  auto const inside = person.last_whatsapp_inbound_ms && now_ms - *person.last_whatsapp_inbound_ms < window_ms;
  if (!inside && !has_template) return {{}, false, "outside_window"};
  return {std::move(recipient), !inside};
}

}  // namespace omnibus::notify
