#include "workers/gateway/webhooks/whatsapp_webhook.hpp"

#include "events/inbound.hpp"
#include "messaging/phone_number.hpp"
#include "workers/gateway/webhooks/json_fields.hpp"
#include "workers/gateway/webhooks/whatsapp_payload.hpp"
#include "workers/gateway/webhooks/whatsapp_words.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

namespace omnibus::gateway {
namespace {

using namespace whatsapp;

constexpr std::size_t most_events = 2'000;
/// Told by WhatsApp itself, in the form of a message.
constexpr std::array<std::string_view, 2> not_of_people{"system", "request_welcome"};
constexpr std::array<std::string_view, 5> whatsapp_statuses{"accepted", "sent", "delivered", "read", "failed"};

bool is_one_of(auto const& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

/// Reads the payload's entries one after the other.
class WhatsappReader {
 public:
  explicit WhatsappReader(TenantOfNumber const& tenant_of) : tenant_of_(tenant_of) {}

  void read_entry(json::Raw const& raw) {
    auto const entry = json::decode<Entry>(raw.text, webhook_limits);
    if (!entry) return pass_over();
    for (auto const& change : entry->changes.value_or(std::vector<json::Raw>{})) read_change(change);
  }

  WhatsappBatch take() { return std::move(batch_); }

 private:
  void pass_over() { ++batch_.passed_over; }

  void read_change(json::Raw const& raw) {
    auto const change = json::decode<Change>(raw.text, webhook_limits);
    if (!change) return pass_over();
    read(*change);
  }

  void read(Change const& change) {
    if (change.field != "messages" || !change.value) return pass_over();
    auto const value = json::decode<ChangeValue>(change.value->text, webhook_limits);
    if (!value) return pass_over();
    auto rules = tenant_of_(value->metadata.phone_number_id);
    if (!rules) return pass_over();
    rules_ = *std::move(rules);
    contacts_.clear();
    for (auto const& contact : value->contacts.value_or(std::vector<json::Raw>{})) contacts_.emplace_back(contact.text);
    each(value->messages, [&](json::Raw const& raw) { return message(value->metadata, raw); });
    each(value->statuses, [&](json::Raw const& raw) { return status(raw); });
  }

  void each(std::optional<std::vector<json::Raw>> const& things, auto const& read) {
    if (!things) return;
    for (auto const& thing : *things) {
      if (batch_.events.size() + batch_.passed_over >= most_events)
        throw Refusal(413, "The payload has too many entries");
      std::optional<InboundEvent> event;
      try {
        event = read(thing);
      } catch (Refusal const&) {
        // Breaks a rule of our schema: skipped like an unknown kind.
      }
      if (event) {
        batch_.events.push_back(*std::move(event));
      } else {
        pass_over();
      }
    }
  }

  std::optional<InboundEvent> message(Metadata const& metadata, json::Raw const& raw) {
    JsonFields const message{raw.text};
    auto const type = message.text("type");
    auto const nothing_said = (type == "text" || type == "reaction") && message.object(type).empty();
    if (is_replayed(rules_, message.text("timestamp"))) return std::nullopt;
    if (nothing_said || !message.text("group_id").empty() || is_one_of(not_of_people, type)) return std::nullopt;
    WhatsappMessageReceived event;
    event.domain = rules_.domain;
    event.provider_message_id = message.text("id");
    event.recipient = metadata.phone_number_id;
    event.kind = cut(type, most_name);
    event.text = cut(whatsapp_words(message, type), most_text);
    event.received_at = moment_or_now(rules_, message.text("timestamp"));
    auto const from = message.text("from");
    if (auto const number = messaging::PhoneNumber::from_whatsapp(from)) {
      event.phone_number = number->e164();
      event.wa_id = messaging::wa_id_digits(from);
    }
    event.whatsapp_user_id = user_id_of(message, from);
    if (!event.phone_number && !event.whatsapp_user_id) return std::nullopt;
    auto key = profile_key(rules_, event.phone_number ? *event.phone_number : *event.whatsapp_user_id);
    return make_inbound(rules_, inbound_event_id({whatsapp_cloud, rules_.domain, event.provider_message_id}),
                        std::move(key), event);
  }

  /// Said by the message itself, or by the contact it is of: the one with its number, or the only one.
  std::optional<std::string> user_id_of(JsonFields const& message, std::string const& from) const {
    for (auto const& id : {message.text("from_user_id"), from})
      if (messaging::is_whatsapp_user_id(id)) return id;
    for (auto const& contact : contacts_) {
      auto const its = from.empty() ? contacts_.size() == 1 : contact.text("wa_id") == from;
      auto id = contact.text("user_id");
      if (its && messaging::is_whatsapp_user_id(id)) return id;
    }
    return std::nullopt;
  }

  std::optional<InboundEvent> status(json::Raw const& raw) {
    JsonFields const told{raw.text};
    DeliveryReceiptReceived event;
    event.provider = whatsapp_cloud;
    event.status = told.text("status");
    if (event.status == "played") event.status = "read";  // a voice message that was listened to
    if (!is_one_of(whatsapp_statuses, event.status) || is_replayed(rules_, told.text("timestamp"))) return std::nullopt;
    event.occurred_at = moment_or_now(rules_, told.text("timestamp"));
    // Our keys are UUIDs: the values of other senders on this number may be personal.
    if (auto const key = parse_uuid(told.text("biz_opaque_callback_data"))) event.effect_key = to_string(*key);
    if (auto const errors = told.objects("errors"); !errors.empty())
      if (auto code = errors.front().text("code"); !code.empty()) event.error_code = cut(std::move(code), most_name);
    event.provider_message_id = told.text("id");
    event.domain = rules_.receipt_domain();
    auto const id = receipt_event_id(rules_, whatsapp_cloud, *event.provider_message_id, event.status);
    return make_inbound(rules_, id, receipt_key(whatsapp_cloud, *event.provider_message_id), event);
  }

  TenantOfNumber const& tenant_of_;
  InboundRules rules_;  // of the number that is being read
  std::vector<JsonFields> contacts_;
  WhatsappBatch batch_;
};

}  // namespace

WhatsappBatch read_whatsapp(TenantOfNumber const& tenant_of, std::string_view body) {
  auto const payload = read_posted<Payload>(body);
  if (!payload) throw Refusal::invalid(payload.error().field, payload.error().message());
  if (payload->object != "whatsapp_business_account")
    throw Refusal::invalid("object", "object must be whatsapp_business_account");
  WhatsappReader reader(tenant_of);
  for (auto const& entry : payload->entry) reader.read_entry(entry);
  return reader.take();
}

WhatsappBatch read_whatsapp(InboundRules const& rules, std::string_view phone_number_id, std::string_view body) {
  auto const tenant_of = [&](std::string_view number) {
    auto const ours = phone_number_id.empty() || number == phone_number_id;
    return ours ? std::optional{rules} : std::nullopt;
  };
  return read_whatsapp(tenant_of, body);
}

std::string first_phone_number_id(std::string_view body) {
  for (auto const& entry : JsonFields::read_posted(body).objects("entry"))
    for (auto const& change : entry.objects("changes"))
      if (auto id = change.object("value").object("metadata").text("phone_number_id"); !id.empty()) return id;
  return {};
}

}  // namespace omnibus::gateway
