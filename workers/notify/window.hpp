/// Decides whether and how a person may be written to over a channel. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace omnibus::notify {

/// A person's channels, consents and last messages.
struct Person {
  std::optional<std::string> phone_number{};
  std::optional<std::string> whatsapp_jid{};
  std::optional<std::string> whatsapp_user_id{};
  std::optional<bool> has_whatsapp{};  ///< unknown until WhatsApp has reported it
  bool sms_opt_out = false;
  bool whatsapp_opt_out = false;
  std::optional<std::int64_t> last_whatsapp_inbound_ms{};
  std::optional<bool> has_sms{};  ///< false if a provider has said that the number cannot get SMS
};

/// Free text may be sent over WhatsApp for this long after the person's last message.
inline constexpr std::chrono::hours whatsapp_window{24};

/// How and to whom a message is sent; or why it is not.
struct Way {
  std::string recipient{};
  bool by_template = false;
  std::string_view skip{};  ///< no_whatsapp, no_phone_number, no_sms, opted_out, outside_window, expired; else empty
};

/// @param kind of the notification: the answer to a keyword (opt_out, opt_in, help) reaches those who opted out, too.
/// @param has_template a template is configured for those outside the window.
Way find_way(Person const& person, std::string_view channel, std::string_view kind, bool has_template,
             std::optional<std::int64_t> expires_ms, std::int64_t now_ms);

}  // namespace omnibus::notify
