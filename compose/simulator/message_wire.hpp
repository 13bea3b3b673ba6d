/// The providers' side of the wires of WhatsApp's Cloud API, MTN's SMS v3 and Twilio's Messages. Pure.
#pragma once

#include "compose/simulator/send_book.hpp"
#include "http/message.hpp"

#include <chrono>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace omnibus::simulator {

/// The order in a request, or the provider's error for an invalid request.
using OrderOrRefusal = std::variant<SubmittedMessage, http::Response>;

OrderOrRefusal read_whatsapp_order(http::Request const& request);
http::Response whatsapp_taken(Acceptance const& acceptance);
http::Response whatsapp_error(int status, int code, std::string_view message);
/// A status webhook: sent, delivered, read, or failed as undeliverable.
std::string whatsapp_status(Acceptance const& acceptance, std::string_view phone_number_id, std::string_view status);

OrderOrRefusal read_mtn_order(http::Request const& request);
http::Response mtn_taken(Acceptance const& acceptance);
http::Response mtn_error(int status, std::string_view code, std::string_view message);
http::Response mtn_token(std::string_view token, std::chrono::seconds lifetime);
/// A delivery receipt: DELIVERED, UNDELIVERED, ...
std::string mtn_receipt(Acceptance const& acceptance, std::string_view status);

OrderOrRefusal read_twilio_order(http::Request const& request);
http::Response twilio_taken(Acceptance const& acceptance);
http::Response twilio_error(int status, int code, std::string_view message);
/// A status callback as a form: sent, delivered or undelivered; and its X-Twilio-Signature.
struct Callback {
  std::string body;
  std::string signature;
};
Callback twilio_callback(Acceptance const& acceptance, std::string_view status, std::string_view auth_token);
http::Response twilio_list(std::vector<Acceptance const*> const& acceptances);

/// The credential of an Authorization header of that scheme ("Bearer", "Basic"); empty when there is none.
std::string_view credential(http::Request const& request, std::string_view scheme);
/// HMAC-SHA256 in lower-case hexadecimal.
std::string sign(std::string_view secret, std::string_view body);

}  // namespace omnibus::simulator
