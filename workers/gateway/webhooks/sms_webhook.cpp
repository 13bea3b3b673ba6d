#include "workers/gateway/webhooks/sms_webhook.hpp"

#include "events/inbound.hpp"
#include "json/decode.hpp"
#include "workers/gateway/webhooks/json_fields.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

#include <boost/describe/class.hpp>

namespace omnibus::gateway {
namespace {

constexpr std::size_t longest_message_id = 255;  // as the event's schema allows

/// Texts are strings, or whole numbers where a sender writes digits so.
struct PostedSms {
  json::Raw from;
  json::Raw to;
  json::Raw message;
  std::optional<json::Raw> id;
  std::optional<json::Raw> message_id;
  std::optional<json::Raw> timestamp;
};
BOOST_DESCRIBE_STRUCT(PostedSms, (), (from, to, message, id, message_id, timestamp))

struct TextField {
  std::string text;
};
BOOST_DESCRIBE_STRUCT(TextField, (), (text))

struct PostedReceipt {
  std::string deliveryStatus;
  std::optional<std::string> clientCorrelatorId;
  std::optional<json::Raw> transactionId;
  std::optional<json::Raw> completedDate;
};
BOOST_DESCRIBE_STRUCT(PostedReceipt, (), (deliveryStatus, clientCorrelatorId, transactionId, completedDate))

/// MTN's words, the short forms that SMSCs use for them, and those of the GSMA's OneAPI.
constexpr std::array mtn_statuses{
    StatusName{"ACCEPTD", "accepted"},
    StatusName{"ACCEPTED", "accepted"},
    StatusName{"ENROUTE", "sent"},
    StatusName{"DELIVERED", "delivered"},
    StatusName{"DELIVRD", "delivered"},
    StatusName{"EXPIRED", "failed"},
    StatusName{"DELETED", "failed"},
    StatusName{"REJECTED", "failed"},
    StatusName{"REJECTD", "failed"},
    StatusName{"UNDELIVERED", "failed"},
    StatusName{"UNDELIV", "failed"},
    StatusName{"UNKNOWN", "unknown"},
    StatusName{"DeliveredToTerminal", "delivered"},
    StatusName{"DeliveredToNetwork", "sent"},
    StatusName{"MessageWaiting", "sent"},
    StatusName{"DeliveryImpossible", "failed"},
    StatusName{"DeliveryUncertain", "unknown"},
};

std::string_view our_status(std::string_view theirs) {
  for (auto const& status : mtn_statuses)
    if (status.theirs == theirs) return status.ours;
  return "unknown";
}

/// The minute of a time of RFC 3339.
std::string_view minute_of(std::string_view time) {
  return time.substr(0, time.rfind(':'));
}

/// A string, or a whole number that is not negative as its digits; nothing for any other value.
std::optional<std::string> text_or_digits(json::Raw const& value) {
  auto const is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (std::all_of(value.text.begin(), value.text.end(), is_digit)) return value.text;
  auto read = json::decode<TextField>(R"({"text":)" + value.text + "}", webhook_limits);
  return read ? std::optional{std::move(read->text)} : std::nullopt;
}

/// @throws Refusal 400 naming the field if it is neither.
std::string needed_text(std::string field, json::Raw const& value) {
  auto text = text_or_digits(value);
  if (!text) throw Refusal::invalid(field, field + " must be a string or a whole number");
  return *std::move(text);
}

/// A message's id; nothing if it has no form that we can keep: such a message is known by its content.
std::optional<std::string> message_id_of(std::optional<json::Raw> const& value) {
  auto id = value ? text_or_digits(*value) : std::nullopt;
  auto const fits = id && !id->empty() && cut(*id, longest_message_id) == *id;
  return fits ? std::move(id) : std::nullopt;
}

}  // namespace

std::optional<InboundEvent> read_sms(InboundRules const& rules, std::string_view body) {
  auto posted = read_posted<PostedSms>(body);
  if (!posted) throw Refusal::invalid(posted.error().field, posted.error().message());
  auto sender = read_sms_sender(rules, "from", needed_text("from", posted->from));
  auto recipient = needed_text("to", posted->to);
  auto text = needed_text("message", posted->message);
  auto message_id = message_id_of(posted->id);
  if (!message_id) message_id = message_id_of(posted->message_id);
  auto const at = posted->timestamp ? std::string_view{posted->timestamp->text} : std::string_view{};
  if (text.empty() || is_replayed(rules, at)) return std::nullopt;

  auto key = profile_key(rules, sender.text());
  SmsMessageReceived sms;
  sms.domain = rules.domain;
  sms.provider = mtn_sms;
  sms.phone_number = std::move(sender.phone_number);
  sms.sender = std::move(sender.sender);
  sms.recipient = cut(std::move(recipient), most_name);
  sms.text = cut(std::move(text), most_text);
  sms.received_at = moment_or_now(rules, at);
  sms.provider_message_id = std::move(message_id);
  // The key stands for the sender, so that the id cannot be used to guess phone numbers.
  auto const id = sms.provider_message_id
                      ? inbound_event_id({mtn_sms, rules.domain, *sms.provider_message_id})
                      : inbound_event_id({mtn_sms, key, sms.recipient, sms.text, minute_of(sms.received_at)});
  return make_inbound(rules, id, std::move(key), sms);
}

std::string addressee_of_sms(std::string_view body) {
  return JsonFields::read_posted(body).text("to");
}

std::optional<InboundEvent> read_sms_receipt(InboundRules const& rules, std::string_view body) {
  auto posted = read_posted<PostedReceipt>(body);
  if (!posted) throw Refusal::invalid(posted.error().field, posted.error().message());
  if (posted->completedDate && is_replayed(rules, posted->completedDate->text)) return std::nullopt;
  DeliveryReceiptReceived receipt;
  receipt.provider = mtn_sms;
  receipt.status = our_status(posted->deliveryStatus);
  receipt.occurred_at = moment_or_now(rules, posted->completedDate ? posted->completedDate->text : "");
  if (posted->transactionId)
    if (auto id = needed_text("transactionId", *posted->transactionId); !id.empty())
      receipt.provider_message_id = std::move(id);
  // Our keys are UUIDs: other values belong to other senders of the account, and may be personal.
  if (auto const key = parse_uuid(posted->clientCorrelatorId.value_or(""))) receipt.effect_key = to_string(*key);
  if (!receipt.provider_message_id && !receipt.effect_key) {
    if (posted->clientCorrelatorId) return std::nullopt;
    throw Refusal::invalid("clientCorrelatorId", "clientCorrelatorId is missing");
  }
  if (receipt.status == "failed") receipt.error_code = std::move(posted->deliveryStatus);
  auto const& message = receipt.effect_key ? *receipt.effect_key : *receipt.provider_message_id;
  receipt.domain = rules.receipt_domain();
  auto const id = receipt_event_id(rules, mtn_sms, message, receipt.status);
  return make_inbound(rules, id, receipt_key(mtn_sms, message), receipt);
}

}  // namespace omnibus::gateway
