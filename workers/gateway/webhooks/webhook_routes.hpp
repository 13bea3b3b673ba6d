/// `/webhooks/...`: reports from providers.
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

/// Accepts signed posts of providers, and answers 200 once Kafka has acknowledged all their events. An event's id
/// depends only on its content, so a repeated post, to any gateway, publishes the same event again. An SMS
/// without id and time, in body and timestamp header, is identified by the minute of its arrival.
///
/// All webhooks of a gateway belong to one tenant. A webhook that lacks a setting answers 503, so that the provider
/// retries until it is set, and the log names the setting.
class WebhookRoutes {
 public:
  /// Logs which webhooks accept unsigned requests. The settings must outlive it.
  /// @throws config::ConfigError naming a setting that cannot be used.
  WebhookRoutes(WebhookSettings const& settings, Admission& admission, Publisher& publisher);

  Task<http::Response> post_call(http::Request const& request);
  Task<http::Response> post_sms(http::Request const& request);
  Task<http::Response> post_sms_receipt(http::Request const& request);
  Task<http::Response> post_whatsapp(http::Request const& request);
  /// The handshake by which Meta verifies that the address is ours.
  Task<http::Response> get_whatsapp(http::Request const& request);

 private:
  struct Webhook;
  static Webhook const calls, mtn_messages, mtn_receipts, twilio_messages, twilio_receipts, whatsapp;

  /// Each admits only signed requests, within the tenant's rate. @throws Refusal.
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
