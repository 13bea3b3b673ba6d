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

/// Reads the payload's changes one after the other.
class WhatsappReader {
 public:
  explicit WhatsappReader(TenantOfNumber const& tenant_of) : tenant_of_(tenant_of) {}

  void read(Payload const& payload) {
    batch_.passed_over = payload.unreadable;
    for (auto const& change : payload.changes) read(change);
  }

  WhatsappBatch take() { return std::move(batch_); }

 private:
  void pass_over() { ++batch_.passed_over; }

  void read(Change const& change) {
    if (change.field != "messages") return pass_over();
    auto const value = read_change_value(change.value);
    if (!value) return pass_over();
    auto rules = tenant_of_(value->phone_number_id);
    if (!rules) return pass_over();
    rules_ = *std::move(rules);
    contacts_.clear();
    each_element(value->contacts, [&](std::string_view contact) {
      if (contacts_.size() < most_events) contacts_.push_back(JsonFields::read_posted(contact));
    });
    each(value->messages, [&](JsonFields const& told) { return message(value->phone_number_id, told); });
    each(value->statuses, [&](JsonFields const& told) { return status(told); });
  }

  void each(std::string_view array, auto const& read) {
    if (array.empty() || array == "null") return;
    auto const is_array = each_element(array, [&](std::string_view element) {
      if (batch_.events.size() + batch_.passed_over >= most_events)
        throw Refusal(413, "The payload has too many entries");
      std::optional<InboundEvent> event;
      try {
        event = read(JsonFields::read_posted(element));
      } catch (Refusal const&) {
        // Breaks a rule of our schema: skipped like an unknown kind.
      }
      if (event) {
        batch_.events.push_back(*std::move(event));
      } else {
        pass_over();
      }
    });
    if (!is_array) pass_over();
  }

  std::optional<InboundEvent> message(std::string const& our_number, JsonFields const& message) {
    auto const type = message.text("type");
    auto const nothing_said = (type == "text" || type == "reaction") && message.object(type).empty();
    if (is_replayed(rules_, message.text("timestamp"))) return std::nullopt;
    if (nothing_said || !message.text("group_id").empty() || is_one_of(not_of_people, type)) return std::nullopt;
    WhatsappMessageReceived event;
    event.domain = rules_.domain;
    event.provider_message_id = message.text("id");
    event.recipient = our_number;
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

  std::optional<InboundEvent> status(JsonFields const& told) {
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
  auto const payload = read_payload(body);
  if (!payload) throw Refusal::invalid("entry", "The document must be a JSON object with an array, entry");
  if (payload->object != "whatsapp_business_account")
    throw Refusal::invalid("object", "object must be whatsapp_business_account");
  WhatsappReader reader(tenant_of);
  reader.read(*payload);
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
  if (auto const payload = read_payload(body))
    for (auto const& change : payload->changes)
      if (auto value = read_change_value(change.value); value && !value->phone_number_id.empty())
        return std::move(value->phone_number_id);
  return {};
}

}  // namespace omnibus::gateway
