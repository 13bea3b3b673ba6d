#include "workers/gateway/webhooks/whatsapp_webhook.hpp"

#include "events/inbound.hpp"
#include "json/decode.hpp"
#include "messaging/phone_number.hpp"
#include "workers/gateway/webhooks/whatsapp_payload.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

namespace omnibus::gateway {
namespace {

using namespace whatsapp;

constexpr std::size_t most_events = 2'000;
constexpr std::array<std::string_view, 12> kinds{"text",     "button",  "interactive", "image",    "video", "audio",
                                                 "document", "sticker", "location",    "contacts", "order", "voice"};
constexpr std::array<std::string_view, 5> whatsapp_statuses{"accepted", "sent", "delivered", "read", "failed"};

bool is_one_of(auto const& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::string words_of(InboundMessage& message) {
  if (message.text) return std::move(message.text->body);
  if (message.button) return std::move(message.button->text);
  if (message.interactive) {
    if (message.interactive->button_reply) return std::move(message.interactive->button_reply->title);
    if (message.interactive->list_reply) return std::move(message.interactive->list_reply->title);
  }
  for (auto* media : {&message.image, &message.video, &message.document})
    if (*media && (*media)->caption) return std::move(*(*media)->caption);
  return {};
}

/// Reads the payload's entries one after the other.
class WhatsappReader {
 public:
  WhatsappReader(InboundRules const& rules, std::string_view phone_number_id)
      : rules_(rules), number_(phone_number_id) {}

  void read(Change const& change) {
    if (change.field != "messages" || !change.value) return pass_over();
    auto const value = json::decode<ChangeValue>(change.value->text, webhook_limits);
    if (!value) return pass_over();
    if (!number_.empty() && value->metadata.phone_number_id != number_) return pass_over();
    contacts_.clear();
    for (auto const& contact : value->contacts.value_or(std::vector<json::Raw>{}))
      if (auto read = json::decode<Contact>(contact.text, webhook_limits)) contacts_.push_back(*std::move(read));
    each(value->messages, [&](json::Raw const& raw) { return message(value->metadata, raw); });
    each(value->statuses, [&](json::Raw const& raw) { return status(raw); });
  }

  WhatsappBatch take() { return std::move(batch_); }

 private:
  void pass_over() { ++batch_.passed_over; }

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
    auto read = json::decode<InboundMessage>(raw.text, webhook_limits);
    if (!read || read->group_id || !is_one_of(kinds, read->type)) return std::nullopt;
    WhatsappMessageReceived event;
    event.domain = rules_.domain;
    event.provider_message_id = read->id;
    event.recipient = metadata.phone_number_id;
    event.kind = read->type;
    event.text = words_of(*read);
    event.received_at = moment_or_now(rules_, read->timestamp.value_or(""));
    if (auto const number = messaging::PhoneNumber::from_whatsapp(read->from.value_or("")))
      event.phone_number = number->e164();
    event.whatsapp_user_id = user_id_of(*read);
    if (!event.phone_number && !event.whatsapp_user_id) return std::nullopt;
    auto key = profile_key(rules_, event.phone_number ? *event.phone_number : *event.whatsapp_user_id);
    return make_inbound(inbound_event_id({whatsapp_cloud, rules_.domain, event.provider_message_id}), std::move(key),
                        event);
  }

  /// Said by the message itself, or by the contact it is of: the one with its number, or the only one.
  std::optional<std::string> user_id_of(InboundMessage const& message) const {
    if (message.from_user_id && messaging::is_whatsapp_user_id(*message.from_user_id)) return message.from_user_id;
    if (message.from && messaging::is_whatsapp_user_id(*message.from)) return message.from;
    for (auto const& contact : contacts_) {
      auto const its = message.from ? contact.wa_id == message.from : contacts_.size() == 1;
      if (its && contact.user_id && messaging::is_whatsapp_user_id(*contact.user_id)) return contact.user_id;
    }
    return std::nullopt;
  }

  std::optional<InboundEvent> status(json::Raw const& raw) {
    auto read = json::decode<Status>(raw.text, webhook_limits);
    if (!read) return std::nullopt;
    if (read->status == "played") read->status = "read";  // a voice message that was listened to
    if (!is_one_of(whatsapp_statuses, read->status)) return std::nullopt;
    DeliveryReceiptReceived event;
    event.provider = whatsapp_cloud;
    event.status = std::move(read->status);
    event.occurred_at = moment_or_now(rules_, read->timestamp.value_or(""));
    // Our keys are UUIDs: the values of other senders on this number may be personal.
    if (auto const key = parse_uuid(read->biz_opaque_callback_data.value_or(""))) event.effect_key = to_string(*key);
    if (read->errors && !read->errors->empty() && read->errors->front().code)
      event.error_code = std::to_string(*read->errors->front().code);
    event.provider_message_id = std::move(read->id);
    auto const id = inbound_event_id({whatsapp_cloud, "receipt", *event.provider_message_id, event.status});
    return make_inbound(id, receipt_key(whatsapp_cloud, *event.provider_message_id), event);
  }

  InboundRules const& rules_;
  std::string_view number_;
  std::vector<Contact> contacts_;
  WhatsappBatch batch_;
};

}  // namespace

WhatsappBatch read_whatsapp(InboundRules const& rules, std::string_view phone_number_id, std::string_view body) {
  auto const payload = json::decode<Payload>(body, webhook_limits);
  if (!payload) throw Refusal::invalid(payload.error().field, payload.error().message());
  if (payload->object != "whatsapp_business_account")
    throw Refusal::invalid("object", "object must be whatsapp_business_account");
  WhatsappReader reader(rules, phone_number_id);
  for (auto const& entry : payload->entry)
    for (auto const& change : entry.changes.value_or(std::vector<Change>{})) reader.read(change);
  return reader.take();
}

}  // namespace omnibus::gateway
