#include "workers/notify/results.hpp"

#include "events/notification.hpp"
#include "observability/metrics.hpp"
#include "workers/notify/spend_limits.hpp"

namespace omnibus::notify {
namespace {

std::string_view log_event(std::string_view channel, bool sent) {
  if (channel == "sms") return sent ? "SMS_MESSAGE_SENT" : "SMS_MESSAGE_FAILED";
  return sent ? "WHATSAPP_MESSAGE_SENT" : "WHATSAPP_MESSAGE_FAILED";
}

/// The name in message_delivery_log.
std::string_view status_of(std::string_view state) {
  return state == "accepted" ? "sent" : state;
}

}  // namespace

void publish(UnitOfWork& unit, Result const& result) {
  auto const& r = result;
  auto const key = to_string(r.profile_id);
  if (r.state == "accepted")
    unit.publish(NotificationSent{r.domain, r.request_id, r.profile_id, r.channel, r.provider, r.provider_message_id,
                                  r.segments},
                 key);
  else if (r.state == "failed")
    unit.publish(NotificationFailed{r.domain, r.request_id, r.profile_id, r.channel, r.provider,
                                    r.error_code.empty() ? "unknown" : r.error_code, r.reason},
                 key);
  else if (r.state == "skipped")
    unit.publish(NotificationSkipped{r.domain, r.request_id, r.profile_id, r.channel, r.reason}, key);
  else if (r.state == "in_doubt")
    unit.publish(NotificationInDoubt{r.domain, r.request_id, r.profile_id, r.channel, r.provider, r.reason}, key);
  else if (r.state == "delivered")
    unit.publish(NotificationDelivered{r.domain, r.request_id, r.profile_id, r.channel, r.provider, r.occurred_at},
                 key);
  else if (r.state == "read")
    unit.publish(NotificationRead{r.domain, r.request_id, r.profile_id, r.channel, r.provider, r.occurred_at}, key);
}

void tell(log::EventFields const& event, Result const& result) {
  if (result.state == "planned") return;  // rejected, and retried: the engine reports it
  Metrics::process().counter<Metric::notifications>(result.channel, status_of(result.state)).add();
  if (auto const setting = setting_of_limit(result.reason); result.state == "skipped" && !setting.empty()) {
    Metrics::process().counter<Metric::notifications_limited>(result.channel, result.reason).add();
    log::warn(
        event, "a message is not sent: a limit against spending is reached",
        {{"domain", result.domain}, {"channel", result.channel}, {"reason", result.reason}, {"setting", setting}});
  }
  auto const sent = result.state == "accepted";
  if (!sent && result.state != "failed" && result.state != "in_doubt") return;
  log::info(event, sent ? "message sent" : "message not sent",
            {{"event", log_event(result.channel, sent)},
             {"request_id", result.request_id},
             {"channel", result.channel},
             {"provider", result.provider},
             {"status", status_of(result.state)},
             {"error_code", result.error_code},
             {"reason", result.reason}});
}

}  // namespace omnibus::notify
