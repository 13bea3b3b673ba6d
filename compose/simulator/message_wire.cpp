#include "compose/simulator/message_wire.hpp"

#include "hash/hash.hpp"
#include "http/form.hpp"

#include <algorithm>
#include <array>
#include <ctime>

#include <boost/json.hpp>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <openssl/evp.h>

namespace omnibus::simulator {
namespace {

namespace json = boost::json;

std::string text_of(json::value const* value, std::string_view name) {
  auto const* const object = value != nullptr ? value->if_object() : nullptr;
  auto const* const member = object != nullptr ? object->if_contains({name.data(), name.size()}) : nullptr;
  auto const* const text = member != nullptr ? member->if_string() : nullptr;
  return text != nullptr ? std::string(text->data(), text->size()) : std::string();
}

json::value parsed(std::string_view body) {
  json::error_code error;
  auto document = json::parse({body.data(), body.size()}, error);
  return error || !document.is_object() ? json::value(json::object()) : document;
}

json::value const* member(json::value const& document, std::string_view name) {
  return document.as_object().if_contains({name.data(), name.size()});
}

bool all_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::string rfc2822(std::chrono::system_clock::time_point at) {
  return fmt::format("{:%a, %d %b %Y %H:%M:%S} +0000", fmt::gmtime(std::chrono::system_clock::to_time_t(at)));
}

std::string seconds_now() {
  auto const now = std::chrono::system_clock::now().time_since_epoch();
  return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(now).count());
}

std::string without_plus(std::string_view recipient) {
  return std::string(recipient.starts_with('+') ? recipient.substr(1) : recipient);
}

json::object twilio_message(Acceptance const& acceptance) {
  auto const& order = acceptance.order;
  return {{"sid", acceptance.id},
          {"to", order.recipient},
          {"from", order.sender},
          {"body", order.text},
          {"status", "queued"},
          {"direction", "outbound-api"},
          {"date_created", rfc2822(acceptance.at)},
          {"date_sent", nullptr},
          {"error_code", nullptr}};
}

}  // namespace

OrderOrRefusal read_whatsapp_order(http::Request const& request) {
  if (credential(request, "Bearer").empty()) return whatsapp_error(401, 190, "Invalid OAuth access token");
  auto const document = parsed(request.body);
  auto const* const root = &document;
  SubmittedMessage order;
  order.provider = "whatsapp";
  order.key = text_of(root, "biz_opaque_callback_data");
  auto const to = text_of(root, "to");
  order.recipient = to.empty() ? text_of(root, "recipient") : "+" + without_plus(to);
  order.sender = request.parameter("phone_number_id");
  auto const type = text_of(root, "type");
  if (type == "text") {
    order.text = text_of(member(document, "text"), "body");
  } else if (type == "template") {
    order.from_template = true;
    order.text = text_of(member(document, "template"), "name");
  }
  auto const named = to.empty() ? !order.recipient.empty() : all_digits(without_plus(to));
  if (text_of(root, "messaging_product") != "whatsapp" || !named || order.text.empty() || order.text.size() > 16384) {
    return whatsapp_error(400, 100, "Invalid parameter");
  }
  return order;
}

http::Response whatsapp_taken(Acceptance const& acceptance) {
  json::object const body{{"messaging_product", "whatsapp"},
                          {"contacts", json::array{{{"input", acceptance.order.recipient},
                                                    {"wa_id", without_plus(acceptance.order.recipient)}}}},
                          {"messages", json::array{{{"id", acceptance.id}, {"message_status", "accepted"}}}}};
  return http::json_response(200, json::serialize(body));
}

http::Response whatsapp_error(int status, int code, std::string_view message) {
  json::object const error{{"message", fmt::format("(#{}) {}", code, message)},
                           {"type", "OAuthException"},
                           {"code", code},
                           {"error_data", {{"messaging_product", "whatsapp"}, {"details", message}}},
                           {"fbtrace_id", "simulated"}};
  return http::json_response(status, json::serialize(json::object{{"error", error}}));
}

std::string whatsapp_status(Acceptance const& acceptance, std::string_view phone_number_id, std::string_view status) {
  json::object of_message{{"id", acceptance.id},
                          {"status", status},
                          {"timestamp", seconds_now()},
                          {"recipient_id", without_plus(acceptance.order.recipient)}};
  if (!acceptance.order.key.empty()) of_message["biz_opaque_callback_data"] = acceptance.order.key;
  if (status == "failed") {
    of_message["errors"] = json::array{{{"code", 131026}, {"title", "Message undeliverable"}}};
  }
  json::object const value{
      {"messaging_product", "whatsapp"},
      {"metadata", {{"display_phone_number", "15550000000"}, {"phone_number_id", phone_number_id}}},
      {"statuses", json::array{std::move(of_message)}}};
  json::object const change{{"field", "messages"}, {"value", value}};
  json::object const entry{{"id", "0"}, {"changes", json::array{change}}};
  return json::serialize(json::object{{"object", "whatsapp_business_account"}, {"entry", json::array{entry}}});
}

OrderOrRefusal read_mtn_order(http::Request const& request) {
  auto const document = parsed(request.body);
  auto const* const root = &document;
  SubmittedMessage order;
  order.provider = "mtn";
  order.key = text_of(root, "clientCorrelatorId");
  order.sender = text_of(root, "senderAddress");
  order.text = text_of(root, "message");
  if (auto const* const receivers = member(document, "receiverAddress");
      receivers != nullptr && receivers->is_array()) {
    auto const& listed = receivers->get_array();
    if (listed.size() == 1 && listed.front().is_string()) {
      auto const& number = listed.front().get_string();
      if (all_digits({number.data(), number.size()})) order.recipient = "+" + std::string(number.data(), number.size());
    }
  }
  auto const whole = !order.key.empty() && order.key.size() <= 36 && !order.recipient.empty() && !order.text.empty() &&
                     !text_of(root, "serviceCode").empty();
  if (!whole) return mtn_error(400, "4000", "a required field is missing or malformed");
  return order;
}

http::Response mtn_taken(Acceptance const& acceptance) {
  json::object const body{{"statusCode", "0000"},
                          {"statusMessage", "Message sent successfully"},
                          {"transactionId", acceptance.id},
                          {"data", {{"status", "PENDING"}}}};
  return http::json_response(200, json::serialize(body));
}

http::Response mtn_error(int status, std::string_view code, std::string_view message) {
  return http::json_response(status, json::serialize(json::object{{"statusCode", code}, {"statusMessage", message}}));
}

http::Response mtn_token(std::string_view token, std::chrono::seconds lifetime) {
  json::object const body{
      {"access_token", token}, {"token_type", "BearerToken"}, {"expires_in", std::to_string(lifetime.count())}};
  return http::json_response(200, json::serialize(body));
}

std::string mtn_receipt(Acceptance const& acceptance, std::string_view status) {
  auto const now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  json::object const body{{"clientCorrelatorId", acceptance.order.key},
                          {"transactionId", acceptance.id},
                          {"deliveryStatus", status},
                          {"details", ""},
                          {"completedDate", fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(now))}};
  return json::serialize(body);
}

OrderOrRefusal read_twilio_order(http::Request const& request) {
  if (credential(request, "Basic").empty()) return twilio_error(401, 20003, "Authenticate");
  SubmittedMessage order;
  order.provider = "twilio";
  for (auto const& [name, value] : http::read_form(request.body).value_or(http::Form{})) {
    if (name == "To") order.recipient = value;
    if (name == "From" || name == "MessagingServiceSid") order.sender = value;
    if (name == "Body") order.text = value;
    if (name == "StatusCallback") order.callback = value;
  }
  if (!order.recipient.starts_with('+') || !all_digits(without_plus(order.recipient))) {
    return twilio_error(400, 21211, "Invalid 'To' Phone Number");
  }
  if (order.sender.empty()) return twilio_error(400, 21603, "A 'From' phone number is required");
  if (order.text.empty()) return twilio_error(400, 21602, "Message body is required");
  return order;
}

http::Response twilio_taken(Acceptance const& acceptance) {
  return http::json_response(201, json::serialize(twilio_message(acceptance)));
}

http::Response twilio_error(int status, int code, std::string_view message) {
  json::object const body{{"code", code}, {"message", message}, {"more_info", ""}, {"status", status}};
  return http::json_response(status, json::serialize(body));
}

Callback twilio_callback(Acceptance const& acceptance, std::string_view status, std::string_view auth_token) {
  std::vector<std::pair<std::string, std::string>> const fields{// by their names, as they are signed
                                                                {"ErrorCode", status == "undelivered" ? "30003" : ""},
                                                                {"From", acceptance.order.sender},
                                                                {"MessageSid", acceptance.id},
                                                                {"MessageStatus", std::string(status)},
                                                                {"To", acceptance.order.recipient}};
  Callback callback;
  auto signed_text = acceptance.order.callback;
  for (auto const& [name, value] : fields) {
    http::append_form(callback.body, name, value);
    signed_text.append(name).append(value);
  }
  auto const digest = hmac_sha1(auth_token, signed_text);
  callback.signature.resize(29);  // 28 characters of base64 and a NUL
  EVP_EncodeBlock(reinterpret_cast<unsigned char*>(callback.signature.data()), digest.data(), 20);
  callback.signature.pop_back();
  return callback;
}

http::Response twilio_list(std::vector<Acceptance const*> const& acceptances) {
  json::array messages;
  for (auto const* each : acceptances) messages.push_back(twilio_message(*each));
  json::object const body{{"messages", std::move(messages)}, {"next_page_uri", nullptr}};
  return http::json_response(200, json::serialize(body));
}

std::string_view credential(http::Request const& request, std::string_view scheme) {
  auto const header = request.headers.find("authorization").value_or("");
  auto const fits = header.size() > scheme.size() + 1 && header[scheme.size()] == ' ' &&
                    http::equals_ignoring_case(header.substr(0, scheme.size()), scheme);
  return fits ? header.substr(scheme.size() + 1) : std::string_view{};
}

std::string sign(std::string_view secret, std::string_view body) {
  return to_hex(hmac_sha256(secret, body));
}

}  // namespace omnibus::simulator
