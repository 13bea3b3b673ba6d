/// `/webhooks/...`: reports from providers.
#pragma once

#include "concurrency/task.hpp"
#include "containers/lru_cache.hpp"
#include "http/message.hpp"
#include "senders/secret_folder.hpp"
#include "senders/sender_directory.hpp"
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
/// A message or receipt belongs to the tenant whose sender it came to, and is signed with that sender's secret. What
/// came to no tenant's sender belongs to WEBHOOK_DOMAIN, as calls do. A webhook that lacks a setting or a tenant
/// answers 503, so that the provider retries until it is set, and the log names the setting.
class WebhookRoutes {
 public:
  /// Logs which webhooks accept unsigned requests. The parameters must outlive it.
  /// @throws config::ConfigError naming a setting that cannot be used.
  WebhookRoutes(WebhookSettings const& settings, Admission& admission, Publisher& publisher,
                senders::SenderDirectory& senders);

  Task<http::Response> post_call(http::Request const& request);
  Task<http::Response> post_sms(http::Request const& request);
  Task<http::Response> post_sms_receipt(http::Request const& request);
  Task<http::Response> post_whatsapp(http::Request const& request);
  /// The handshake by which Meta verifies that the address is ours.
  Task<http::Response> get_whatsapp(http::Request const& request);

 private:
  struct Webhook;
  static Webhook const calls, mtn_messages, mtn_receipts, twilio_messages, twilio_receipts, whatsapp;

  /// Each admits only signed requests, within the tenant's rate. @param sender to which the request came; null: to no
  /// tenant's. @throws Refusal.
  InboundRules admit(Webhook const& webhook, SignedWebhookSettings const& settings, senders::Sender const* sender,
                     http::Request const& request);
  InboundRules admit_form(Webhook const& webhook, senders::Sender const* sender, http::Request const& request,
                          http::Form const& form);
  InboundRules admit(Webhook const& webhook, SignatureRule const& rule, InboundRules rules,
                     http::Request const& request);
  InboundRules rules(Webhook const& webhook, senders::Sender const* sender) const;
  /// A sender's own secret; nothing if it names none for that role. @throws Refusal 503 if it is missing.
  std::optional<std::string> own_secret(Webhook const& webhook, senders::Sender const* sender,
                                        std::string_view role) const;
  senders::Sender const* sender_of(senders::SenderList const& list, std::string_view provider,
                                   std::string_view number) const;
  senders::Sender const* sender_of(senders::SenderList const& list, http::Form const& form,
                                   std::string_view field) const;

  Task<http::Response> take(Webhook const& webhook, std::vector<InboundEvent> events, std::size_t passed_over,
                            http::Request const& request);

  WebhookSettings const& settings_;
  Admission& admission_;
  Publisher& publisher_;
  senders::SenderDirectory& senders_;
  senders::SecretFolder const secrets_;
  LruCache<Uuid, bool> published_;  ///< ids of events that a replay does not publish again
};

}  // namespace omnibus::gateway
