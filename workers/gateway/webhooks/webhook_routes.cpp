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
constexpr std::size_t remembered_events = 100'000;

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

/// Enough of our number to tell which it is.
std::string ending_of(std::string_view number) {
  constexpr std::size_t shown = 4;
  return number.size() <= shown ? std::string{number} : "..." + std::string{number.substr(number.size() - shown)};
}

void tell_unknown_number(std::string_view webhook, std::string_view number) {
  log::warn("a message or receipt came to a number of no tenant", {{"webhook", webhook},
                                                                   {"number", ending_of(number)},
                                                                   {"setting", "WEBHOOK_DOMAIN"},
                                                                   {"command", "omnibus tenant sender add"}});
  Metrics::process().counter<Metric::webhook_refusals>(webhook, "unknown_number").add();
}

Refusal unknown_number() {
  return {503, "The number belongs to no tenant", "The gateway's log names the number and what to set"};
}

void require_tenant(std::string_view webhook, InboundRules const& rules, std::string_view number) {
  if (!rules.domain.empty()) return;
  tell_unknown_number(webhook, number);
  throw unknown_number();
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

WebhookRoutes::WebhookRoutes(WebhookSettings const& settings, Admission& admission, Publisher& publisher,
                             senders::SenderDirectory& senders)
    : settings_(settings),
      admission_(admission),
      publisher_(publisher),
      senders_(senders),
      secrets_(settings.senders.sender_secrets),
      published_(remembered_events, settings.webhook_remembered) {
  check_settings(settings);
  for (auto const& [webhook, signing] :
       {std::pair{&calls, &settings.calls_webhook}, {&mtn_messages, &settings.mtn_webhook}})
    if (signing->unsigned_allowed)
      log::warn("a webhook accepts unsigned requests", {{"webhook", webhook->name}, {"setting", webhook->secret}});
}

senders::Sender const* WebhookRoutes::sender_of(senders::SenderList const& list, std::string_view provider,
                                                std::string_view number) const {
  auto const channel = provider == whatsapp_cloud ? "whatsapp" : "sms";
  auto const* found = list.of_number(channel, number);
  if (found == nullptr && provider != whatsapp_cloud && !list.empty()) {
    auto const parsed = messaging::PhoneNumber::from_provider(number, settings_.webhook_region);
    if (parsed) found = list.of_number(channel, parsed->e164());
  }
  return found != nullptr && found->provider == provider ? found : nullptr;
}

senders::Sender const* WebhookRoutes::sender_of(senders::SenderList const& list, http::Form const& form,
                                                std::string_view field) const {
  auto const* const by_number = sender_of(list, twilio_sms, value_of(form, field));
  return by_number != nullptr ? by_number : sender_of(list, twilio_sms, value_of(form, "MessagingServiceSid"));
}

InboundRules WebhookRoutes::rules(Webhook const& webhook, senders::Sender const* sender) const {
  if (settings_.profile_key_secret.empty()) throw not_served(webhook.name, "PROFILE_KEY_SECRET");
  InboundRules rules{settings_.webhook_domain, settings_.webhook_region, settings_.profile_key_secret.reveal(),
                     wall_clock_ms()};
  rules.longest_age_ms = settings_.webhook_longest_age.count();
  if (sender != nullptr) {
    rules.domain = sender->domain;
    rules.of_sender = true;
  }
  return rules;
}

std::optional<std::string> WebhookRoutes::own_secret(Webhook const& webhook, senders::Sender const* sender,
                                                     std::string_view role) const {
  if (sender == nullptr || sender->secret(role).empty()) return std::nullopt;
  auto const secret = secrets_.read(sender->secret(role));
  if (!secret) {
    log::warn("a secret of a tenant's sender is missing",
              {{"webhook", webhook.name}, {"domain", sender->domain}, {"secret", sender->secret(role)}});
    throw not_served(webhook.name, "SENDER_SECRETS");
  }
  return secret->reveal();
}

InboundRules WebhookRoutes::admit(Webhook const& webhook, SignatureRule const& rule, InboundRules rules,
                                  http::Request const& request) {
  if (rule.secrets.empty()) throw not_served(webhook.name, webhook.secret);
  if (auto const fault = signature_fault(rule, request.headers, request.body, rules.now_ms))
    throw unsigned_request(webhook.name, webhook.event, *fault);
  return rules;
}

InboundRules WebhookRoutes::admit(Webhook const& webhook, SignedWebhookSettings const& settings,
                                  senders::Sender const* sender, http::Request const& request) {
  auto rules = this->rules(webhook, sender);
  auto rule = settings.rule();
  auto own = own_secret(webhook, sender, "webhook_secret");
  if (own) rule.secrets = {*std::move(own)};
  if (own || !settings.unsigned_allowed) rules = admit(webhook, rule, std::move(rules), request);
  if (!settings.timestamp_header.empty())
    rules.told_ms = read_moment_ms(request.headers.find(settings.timestamp_header).value_or(""));
  return rules;
}

InboundRules WebhookRoutes::admit_form(Webhook const& webhook, senders::Sender const* sender,
                                       http::Request const& request, http::Form const& form) {
  auto rules = this->rules(webhook, sender);
  auto const& twilio = settings_.twilio;
  auto const token = own_secret(webhook, sender, "auth_token").value_or(twilio.auth_token.reveal());
  if (token.empty()) throw not_served(webhook.name, webhook.secret);
  if (twilio.webhook_base_url.empty()) throw not_served(webhook.name, "TWILIO_WEBHOOK_BASE_URL");
  auto const address = twilio.webhook_base_url + request.target;
  if (auto const fault = twilio_signature_fault(token, address, request.headers, form))
    throw unsigned_request(webhook.name, webhook.event, *fault);
  return rules;
}

Task<http::Response> WebhookRoutes::take(Webhook const& webhook, std::vector<InboundEvent> events,
                                         std::size_t passed_over, http::Request const& request) {
  Taken taken;
  taken.passed_over = static_cast<std::int64_t>(passed_over);
  std::vector<Publisher::Event> outgoing;
  auto const now = std::chrono::steady_clock::now();
  for (auto& event : events) {
    if (published_.find(event.id, now) != nullptr) {
      taken.event_ids.push_back(event.id);
      continue;
    }
    auto envelope = originate(source, event.type, request.headers.find("traceparent").value_or(""));
    envelope.id = to_string(event.id);
    taken.event_ids.push_back(event.id);
    outgoing.push_back({std::move(envelope), std::move(event.data), std::move(event.key), std::move(event.domain)});
  }
  auto const fresh = outgoing.size();
  auto publishing = publisher_.publish_all(std::move(outgoing));
  co_await std::move(publishing);
  for (auto const& id : taken.event_ids) published_.put(id, true, now);
  auto& metrics = Metrics::process();
  metrics.counter<Metric::webhook_events>(webhook.name, "published").add(static_cast<double>(fresh));
  metrics.counter<Metric::webhook_events>(webhook.name, "repeated").add(static_cast<double>(events.size() - fresh));
  metrics.counter<Metric::webhook_events>(webhook.name, "passed_over").add(static_cast<double>(passed_over));
  co_return http::json_response(200, json::encode(taken));
}

Task<http::Response> WebhookRoutes::post_call(http::Request const& request) {
  if (settings_.webhook_domain.empty()) throw not_served(calls.name, "WEBHOOK_DOMAIN");
  auto const rules = admit(calls, settings_.calls_webhook, nullptr, request);
  admission_.keep_rate(rules.domain);
  auto taking = take(calls, of(read_call(rules, request.body)), 0, request);
  auto answer = co_await std::move(taking);
  co_return answer;
}

Task<http::Response> WebhookRoutes::post_sms(http::Request const& request) {
  auto reading = senders_.senders();
  auto const list = co_await std::move(reading);
  auto const form = is_form(request) ? std::optional(read_form(request.body)) : std::nullopt;
  auto const& webhook = form ? twilio_messages : mtn_messages;
  auto const number = form ? value_of(*form, "To") : addressee_of_sms(request.body);
  auto const* const sender = form ? sender_of(*list, *form, "To") : sender_of(*list, mtn_sms, number);
  auto const rules =
      form ? admit_form(webhook, sender, request, *form) : admit(webhook, settings_.mtn_webhook, sender, request);
  require_tenant(webhook.name, rules, number);
  admission_.keep_rate(rules.domain);
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
  auto reading = senders_.senders();
  auto const list = co_await std::move(reading);
  auto const form = is_form(request) ? std::optional(read_form(request.body)) : std::nullopt;
  auto const& webhook = form ? twilio_receipts : mtn_receipts;
  // MTN's receipt does not name the sender: the address that a tenant gives to MTN does.
  auto const number = form ? value_of(*form, "From") : std::string{request.query_value("sender").value_or("")};
  auto const* const sender = form ? sender_of(*list, *form, "From") : sender_of(*list, mtn_sms, number);
  auto const rules =
      form ? admit_form(webhook, sender, request, *form) : admit(webhook, settings_.mtn_webhook, sender, request);
  require_tenant(webhook.name, rules, number);
  admission_.keep_rate(rules.domain);
  auto const effect_key = request.query_value("effect_key").value_or("");
  auto event = form ? read_twilio_receipt(rules, *form, effect_key) : read_sms_receipt(rules, request.body);
  std::size_t const passed_over = event ? 0 : 1;
  auto taking = take(webhook, of(std::move(event)), passed_over, request);
  auto answer = co_await std::move(taking);
  co_return answer;
}

Task<http::Response> WebhookRoutes::post_whatsapp(http::Request const& request) {
  auto reading = senders_.senders();
  auto const list = co_await std::move(reading);
  auto const* const first =
      list->empty() ? nullptr : sender_of(*list, whatsapp_cloud, first_phone_number_id(request.body));
  auto rule = settings_.whatsapp.rule();
  auto own = own_secret(whatsapp, first, "app_secret");
  if (own) rule.secrets = {*own};
  auto const rules = admit(whatsapp, rule, this->rules(whatsapp, first), request);
  if (!rules.domain.empty()) admission_.keep_rate(rules.domain);
  auto const app = first != nullptr ? first->secret("app_secret") : std::string_view{};
  auto unknown = false;
  auto const tenant_of = [&](std::string_view number) -> std::optional<InboundRules> {
    auto const* const sender = sender_of(*list, whatsapp_cloud, number);
    // An app speaks for the numbers that name its secret, and for no others.
    if ((sender != nullptr ? sender->secret("app_secret") : std::string_view{}) != app) return std::nullopt;
    if (sender != nullptr) return this->rules(whatsapp, sender);
    auto const& wanted = settings_.whatsapp.phone_number_id;
    if (!wanted.empty() && number != wanted) return std::nullopt;
    if (!settings_.webhook_domain.empty()) return this->rules(whatsapp, nullptr);
    tell_unknown_number(whatsapp.name, number);
    unknown = true;
    return std::nullopt;
  };
  auto batch = read_whatsapp(tenant_of, request.body);
  // What others wrote in the same payload does not wait for it.
  if (unknown && batch.events.empty()) throw unknown_number();
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
