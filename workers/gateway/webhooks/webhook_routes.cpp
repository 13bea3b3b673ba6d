#include "workers/gateway/webhooks/webhook_routes.hpp"

#include "hash/hash.hpp"
#include "json/encode.hpp"
#include "kafka/cloud_event.hpp"
#include "observability/log.hpp"
#include "observability/metrics.hpp"
#include "text/rules.hpp"
#include "time/time.hpp"
#include "workers/gateway/webhooks/calls_webhook.hpp"
#include "workers/gateway/webhooks/sms_webhook.hpp"
#include "workers/gateway/webhooks/whatsapp_webhook.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include <boost/describe/class.hpp>

namespace omnibus::gateway {

struct WebhookRoutes::Webhook {
  std::string_view name;
  std::string_view event;   ///< for the log, when a signature is rejected
  std::string_view secret;  ///< the setting that it needs
};
WebhookRoutes::Webhook const WebhookRoutes::calls{"calls", "CALLS_SIGNATURE_VERIFICATION_ERROR",
                                                  "CALLS_WEBHOOK_SECRET"};
WebhookRoutes::Webhook const WebhookRoutes::mtn_messages{"sms", "MTN_SIGNATURE_VERIFICATION_ERROR",
                                                         "MTN_WEBHOOK_SECRET"};
WebhookRoutes::Webhook const WebhookRoutes::mtn_receipts{"sms_receipts", "MTN_SIGNATURE_VERIFICATION_ERROR",
                                                         "MTN_WEBHOOK_SECRET"};
WebhookRoutes::Webhook const WebhookRoutes::twilio_messages{"sms", "TWILIO_SIGNATURE_VERIFICATION_ERROR",
                                                            "TWILIO_AUTH_TOKEN"};
WebhookRoutes::Webhook const WebhookRoutes::twilio_receipts{"sms_receipts", "TWILIO_SIGNATURE_VERIFICATION_ERROR",
                                                            "TWILIO_AUTH_TOKEN"};
WebhookRoutes::Webhook const WebhookRoutes::whatsapp{"whatsapp", "WHATSAPP_SIGNATURE_VERIFICATION_ERROR",
                                                     "WHATSAPP_APP_SECRET"};

namespace {

constexpr std::string_view source = "/omnibus/gateway";
constexpr std::size_t shortest_key_secret = 16;
constexpr std::size_t longest_challenge = 256;

struct Taken {
  std::vector<Uuid> event_ids;
  std::int64_t passed_over = 0;
};
BOOST_DESCRIBE_STRUCT(Taken, (), (event_ids, passed_over))

void check_settings(WebhookSettings const& settings) {
  auto const secret = settings.profile_key_secret.reveal().size();
  if (secret > 0 && secret < shortest_key_secret)
    throw config::ConfigError("PROFILE_KEY_SECRET must have at least 16 bytes");
  if (!messaging::is_region(settings.webhook_region))
    throw config::ConfigError("WEBHOOK_REGION must be a region of phone numbers, such as RW");
  if (!settings.webhook_domain.empty())
    if (auto const invalid = rules::domain("WEBHOOK_DOMAIN", settings.webhook_domain))
      throw config::ConfigError(invalid->field + " " + invalid->reason);
}

Refusal not_served(std::string_view webhook, std::string_view setting) {
  log::warn("a webhook is not served", {{"webhook", webhook}, {"setting", setting}});
  Metrics::process().counter<Metric::webhook_refusals>(webhook, "not_served").add();
  return {503, "The webhook is not set up", "A setting is missing; the gateway's log names it"};
}

Refusal unsigned_request(std::string_view webhook, std::string_view event, std::string_view fault) {
  log::warn("a webhook's signature was refused", {{"event", event}, {"webhook", webhook}, {"reason", fault}});
  Metrics::process().counter<Metric::webhook_refusals>(webhook, fault).add();
  return {401, "The request's signature is missing or wrong"};
}

bool is_challenge(std::string_view text) {
  return !text.empty() && text.size() <= longest_challenge && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  });
}

std::vector<InboundEvent> of(std::optional<InboundEvent> event) {
  std::vector<InboundEvent> events;
  if (event) events.push_back(*std::move(event));
  return events;
}

}  // namespace

WebhookRoutes::WebhookRoutes(WebhookSettings const& settings, Admission& admission, Publisher& publisher)
    : settings_(settings), admission_(admission), publisher_(publisher) {
  check_settings(settings);
  for (auto const& [webhook, signing] :
       {std::pair{&calls, &settings.calls_webhook}, {&mtn_messages, &settings.mtn_webhook}})
    if (signing->unsigned_allowed)
      log::warn("a webhook accepts unsigned requests", {{"webhook", webhook->name}, {"setting", webhook->secret}});
}

InboundRules WebhookRoutes::rules(Webhook const& webhook) const {
  if (settings_.webhook_domain.empty()) throw not_served(webhook.name, "WEBHOOK_DOMAIN");
  if (settings_.profile_key_secret.empty()) throw not_served(webhook.name, "PROFILE_KEY_SECRET");
  return {settings_.webhook_domain, settings_.webhook_region, settings_.profile_key_secret.reveal(), wall_clock_ms()};
}

InboundRules WebhookRoutes::admit(Webhook const& webhook, SignatureRule const& rule, http::Request const& request) {
  auto rules = this->rules(webhook);
  if (rule.secrets.empty()) throw not_served(webhook.name, webhook.secret);
  if (auto const fault = signature_fault(rule, request.headers, request.body, rules.now_ms))
    throw unsigned_request(webhook.name, webhook.event, *fault);
  admission_.keep_rate(rules.domain);
  return rules;
}

InboundRules WebhookRoutes::admit(Webhook const& webhook, SignedWebhookSettings const& settings,
                                  http::Request const& request) {
  InboundRules rules;
  if (settings.unsigned_allowed) {
    rules = this->rules(webhook);
    admission_.keep_rate(rules.domain);
  } else {
    rules = admit(webhook, settings.rule(), request);
  }
  if (!settings.timestamp_header.empty())
    rules.told_ms = read_moment_ms(request.headers.find(settings.timestamp_header).value_or(""));
  return rules;
}

InboundRules WebhookRoutes::admit_form(Webhook const& webhook, http::Request const& request, http::Form const& form) {
  auto rules = this->rules(webhook);
  auto const& twilio = settings_.twilio;
  if (twilio.auth_token.empty()) throw not_served(webhook.name, webhook.secret);
  if (twilio.webhook_base_url.empty()) throw not_served(webhook.name, "TWILIO_WEBHOOK_BASE_URL");
  auto const address = twilio.webhook_base_url + request.target;
  if (auto const fault = twilio_signature_fault(twilio.auth_token.reveal(), address, request.headers, form))
    throw unsigned_request(webhook.name, webhook.event, *fault);
  admission_.keep_rate(rules.domain);
  return rules;
}

Task<http::Response> WebhookRoutes::take(Webhook const& webhook, std::vector<InboundEvent> events,
                                         std::size_t passed_over, http::Request const& request) {
  Taken taken;
  taken.passed_over = static_cast<std::int64_t>(passed_over);
  std::vector<Publisher::Event> outgoing;
  for (auto& event : events) {
    auto envelope = originate(source, event.type, request.headers.find("traceparent").value_or(""));
    envelope.id = to_string(event.id);
    taken.event_ids.push_back(event.id);
    outgoing.push_back({std::move(envelope), std::move(event.data), std::move(event.key), settings_.webhook_domain});
  }
  auto publishing = publisher_.publish_all(std::move(outgoing));
  co_await std::move(publishing);
  auto& metrics = Metrics::process();
  metrics.counter<Metric::webhook_events>(webhook.name, "published").add(static_cast<double>(events.size()));
  metrics.counter<Metric::webhook_events>(webhook.name, "passed_over").add(static_cast<double>(passed_over));
  co_return http::json_response(200, json::encode(taken));
}

Task<http::Response> WebhookRoutes::post_call(http::Request const& request) {
  auto const rules = admit(calls, settings_.calls_webhook, request);
  auto taking = take(calls, of(read_call(rules, request.body)), 0, request);
  auto answer = co_await std::move(taking);
  co_return answer;
}

Task<http::Response> WebhookRoutes::post_sms(http::Request const& request) {
  auto const form = is_form(request) ? std::optional(read_form(request.body)) : std::nullopt;
  auto const& webhook = form ? twilio_messages : mtn_messages;
  auto const rules = form ? admit_form(webhook, request, *form) : admit(webhook, settings_.mtn_webhook, request);
  auto event = form ? read_twilio_sms(rules, *form) : read_sms(rules, request.body);
  auto const id = event ? to_string(event->id) : std::string();
  std::size_t const passed_over = event ? 0 : 1;
  auto taking = take(webhook, of(std::move(event)), passed_over, request);
  auto answer = co_await std::move(taking);
  if (!id.empty())
    log::info("an SMS came in",
              {{"event", "SMS_INBOUND_RECEIVED"}, {"event_id", id}, {"provider", form ? twilio_sms : mtn_sms}});
  // Twilio would send a text to the sender as the answer.
  co_return form ? http::Response{204, {}, {}} : std::move(answer);
}

Task<http::Response> WebhookRoutes::post_sms_receipt(http::Request const& request) {
  auto const form = is_form(request) ? std::optional(read_form(request.body)) : std::nullopt;
  auto const& webhook = form ? twilio_receipts : mtn_receipts;
  auto const rules = form ? admit_form(webhook, request, *form) : admit(webhook, settings_.mtn_webhook, request);
  auto const effect_key = request.query_value("effect_key").value_or("");
  auto event = form ? read_twilio_receipt(rules, *form, effect_key) : read_sms_receipt(rules, request.body);
  std::size_t const passed_over = event ? 0 : 1;
  auto taking = take(webhook, of(std::move(event)), passed_over, request);
  auto answer = co_await std::move(taking);
  co_return answer;
}

Task<http::Response> WebhookRoutes::post_whatsapp(http::Request const& request) {
  auto const rules = admit(whatsapp, settings_.whatsapp.rule(), request);
  auto batch = read_whatsapp(rules, settings_.whatsapp.phone_number_id, request.body);
  auto taking = take(whatsapp, std::move(batch.events), batch.passed_over, request);
  auto answer = co_await std::move(taking);
  co_return answer;
}

Task<http::Response> WebhookRoutes::get_whatsapp(http::Request const& request) {
  auto const& token = settings_.whatsapp.verify_token;
  if (token.empty()) throw not_served(whatsapp.name, "WHATSAPP_VERIFY_TOKEN");
  auto const challenge = request.query_value("hub.challenge").value_or("");
  if (request.query_value("hub.mode") != "subscribe" || !is_challenge(challenge))
    throw Refusal::invalid("hub.challenge", "The handshake needs hub.mode=subscribe and a hub.challenge");
  if (!same_secret(request.query_value("hub.verify_token").value_or(""), token.reveal())) {
    log::warn("a webhook's handshake was refused", {{"webhook", whatsapp.name}, {"setting", "WHATSAPP_VERIFY_TOKEN"}});
    Metrics::process().counter<Metric::webhook_refusals>(whatsapp.name, "wrong").add();
    throw Refusal(403, "The verify token does not match", {}, "hub.verify_token");
  }
  co_return http::text_response(200, std::string(challenge));
}

}  // namespace omnibus::gateway
