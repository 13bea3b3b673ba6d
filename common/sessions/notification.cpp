#include "sessions/notification.hpp"

#include "messaging/sms_text.hpp"
#include "messaging/whatsapp_text.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>

#include <pqxx/pqxx>

namespace omnibus::sessions {

void request_notification(UnitOfWork& unit, NotificationRequested const& request) {
  unit.publish(request, omnibus::to_string(request.profile_id));
  auto const key = unit.last_key();
  std::optional<std::string> session;
  if (request.session_id) session = omnibus::to_string(*request.session_id);
  for (auto const& channel : request.channels) {
    auto const words = channel == "sms" ? messaging::sms_text(request.body).text
                                        : messaging::whatsapp_text(request.kind, request.body);
    // A session may have been deleted in between.
    unit.transaction().exec(
        "SELECT log_message_delivery($1, $2, (SELECT id FROM omnichannel_sessions WHERE id = $3), $4, 'outbound', $5,"
        " 'planned', $6, p_source_event_id => $7)",
        pqxx::params{omnibus::to_string(effect_key(key, channel)), omnibus::to_string(request.profile_id), session,
                     channel, request.kind, words, omnibus::to_string(key)});
  }
}

bool can_be_told(Failure const& failure) {
  static constexpr std::array<std::string_view, 4> silent{"unknown_tenant", "inactive_tenant", "unknown_profile",
                                                          "deleted_session"};
  return std::ranges::find(silent, failure.error_class()) == silent.end();
}

}  // namespace omnibus::sessions
