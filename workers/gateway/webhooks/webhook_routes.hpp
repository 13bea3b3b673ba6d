/// `/webhooks/...`: what providers tell.
#pragma once

#include "concurrency/task.hpp"
#include "http/message.hpp"
#include "workers/gateway/door/admission.hpp"
#include "workers/gateway/publisher.hpp"
#include "workers/gateway/webhooks/inbound_event.hpp"
#include "workers/gateway/webhooks/twilio_webhook.hpp"
#include "workers/gateway/webhooks/webhook_settings.hpp"

#include <cstddef>
#include <string_view>
#include <vector>

namespace omnibus::gateway {

/// Takes what providers post, signed, and answers 200 once Kafka has all of it. Every event has an id that depends on
/// what it tells only, so a provider that tells it again, to whichever gateway, publishes the same event again; an SMS
/// that tells neither an id nor a time, not by its timestamp header either, is known by the minute in which it came.
///
/// All webhooks of a gateway are of one tenant. One that lacks a setting is answered 503, so that its provider comes
/// again once it is there, and the log names the setting.
class WebhookRoutes {
 public:
  /// Logs which webhooks take requests that are not signed. The settings must outlive it.
  /// @throws config::ConfigError naming a setting that cannot be used.
  WebhookRoutes(WebhookSettings const& settings, Admission& admission, Publisher& publisher);

  Task<http::Response> post_call(http::Request const& request);
  Task<http::Response> post_sms(http::Request const& request);
  Task<http::Response> post_sms_receipt(http::Request const& request);
  Task<http::Response> post_whatsapp(http::Request const& request);
  /// The handshake by which Meta makes sure that the address is ours.
  Task<http::Response> get_whatsapp(http::Request const& request);

 private:
  struct Webhook;
  static Webhook const calls, mtn_messages, mtn_receipts, twilio_messages, twilio_receipts, whatsapp;

  /// Each lets in only what is signed, within the tenant's rate. @throws Refusal.
  InboundRules admit(Webhook const& webhook, SignedWebhookSettings const& settings, http::Request const& request);
  InboundRules admit_form(Webhook const& webhook, http::Request const& request, http::Form const& form);
  InboundRules admit(Webhook const& webhook, SignatureRule const& rule, http::Request const& request);
  InboundRules rules(Webhook const& webhook) const;

  Task<http::Response> take(Webhook const& webhook, std::vector<InboundEvent> events, std::size_t passed_over,
                            http::Request const& request);

  WebhookSettings const& settings_;
  Admission& admission_;
  Publisher& publisher_;
};

}  // namespace omnibus::gateway
