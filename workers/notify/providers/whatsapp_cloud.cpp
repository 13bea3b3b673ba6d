#include "workers/notify/providers/whatsapp_cloud.hpp"

#include "json/decode.hpp"
#include "json/encode.hpp"
#include "json/raw.hpp"
#include "messaging/phone_number.hpp"
#include "workers/notify/providers/provider_call.hpp"
#include "workers/notify/providers/recipient.hpp"

#include <algorithm>
#include <charconv>
#include <stdexcept>

#include <boost/describe/class.hpp>
#include <fmt/format.h>

namespace omnibus::notify {
namespace {

using json::append_string;

struct WhatsappWords {
  bool preview_url = false;
  std::string body;
};
BOOST_DESCRIBE_STRUCT(WhatsappWords, (), (preview_url, body))

struct TemplateParameter {
  std::string type = "text";
  std::string text;
};
BOOST_DESCRIBE_STRUCT(TemplateParameter, (), (type, text))

struct TemplateComponent {
  std::string type = "body";
  std::vector<TemplateParameter> parameters;
};
BOOST_DESCRIBE_STRUCT(TemplateComponent, (), (type, parameters))

struct TemplateLanguage {
  std::string code;
};
BOOST_DESCRIBE_STRUCT(TemplateLanguage, (), (code))

struct WhatsappTemplate {
  std::string name;
  TemplateLanguage language;
  std::optional<std::vector<TemplateComponent>> components;
};
BOOST_DESCRIBE_STRUCT(WhatsappTemplate, (), (name, language, components))

struct SentMessage {
  std::string id;
};
BOOST_DESCRIBE_STRUCT(SentMessage, (), (id))

struct GraphAnswer {
  std::vector<SentMessage> messages;
};
BOOST_DESCRIBE_STRUCT(GraphAnswer, (), (messages))

struct GraphError {
  json::Raw code;
};
BOOST_DESCRIBE_STRUCT(GraphError, (), (code))

struct GraphRefusal {
  GraphError error;
};
BOOST_DESCRIBE_STRUCT(GraphRefusal, (), (error))

constexpr std::size_t most_characters = 4096;
constexpr std::size_t most_template_characters = 1024;

std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

enum class Class {
  later,       ///< the same message may be accepted later
  throttled,   ///< accepted at a lower rate
  of_account,  ///< token, permissions, payment or number: every message waits until an operator acts
  silent,      ///< the code does not say whether the message was sent
  of_request,  ///< the recipient, the text or the template: never, and no other message is concerned
  never,
};

Class class_of(int code) {
  switch (code) {
    case 1:  // "invalid request or possible server error"
    case 2:  // "temporary due to downtime or overload"
      return Class::silent;
    case 4:
    case 80007:
    case 130429:  // too many from this number
    case 131048:
    case 131056:  // too many to this person
      return Class::throttled;
    case 131000:  // "message failed to send due to an unknown error"
    case 131016:
    case 133004:
    case 133016:
      return Class::later;
    case 0:
    case 3:
    case 10:
    case 33:
    case 190:
    case 368:
    case 131005:
    case 131031:
    case 131042:
    case 133010:
      return Class::of_account;
    case 100:     // "invalid parameter"
    case 131008:  // "required parameter is missing"
    case 131009:  // "parameter value is not valid"
    case 131021:  // "recipient cannot be sender"
    case 131026:  // "message undeliverable"
    case 131030:  // "recipient not in allowed list"
    case 131047:  // "more than 24 hours since the last reply"
    case 131049:  // kept back for the sake of the person
    case 131050:  // the person wants no marketing
    case 131051:  // "unsupported message type"
    case 131052:
    case 131053:
      return Class::of_request;
    default:
      if (code >= 132'000 && code <= 132'999) return Class::of_request;  // templates
      return code >= 200 && code <= 299 ? Class::of_account : Class::never;
  }
}

std::optional<int> error_code(http::Response const& answer) {
  auto const refusal = json::decode<GraphRefusal>(answer.body, answer_limits);
  if (!refusal) return std::nullopt;
  auto const text = code_word(refusal->error.code.text);  // without the quotes that some gateways add
  auto code = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), code);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return code;
}

WhatsappTemplate template_of(Template const& content) {
  WhatsappTemplate made{content.name, {content.language}, {}};
  if (content.parameters.empty()) return made;
  auto& parameters = made.components.emplace().emplace_back().parameters;
  for (auto const& parameter : content.parameters) parameters.push_back({.text = parameter});
  return made;
}

}  // namespace

std::optional<std::string> whatsapp_body(OutboundMessage const& message) {
  auto const number = wa_id(message.recipient);
  if (!number && !messaging::is_whatsapp_user_id(message.recipient)) return std::nullopt;
  // Written by hand: a C++ member cannot be named "template".
  std::string body = R"({"messaging_product":"whatsapp","recipient_type":"individual",)";
  body += number ? R"("to":)" : R"("recipient":)";
  append_string(body, number ? *number : std::string_view(message.recipient));
  body += ',';
  if (auto const& content = message.content_template) {
    std::size_t size = 0;
    for (auto const& parameter : content->parameters) size += characters(parameter);
    if (content->name.empty() || content->language.empty() || size > most_template_characters) return std::nullopt;
    body += R"("type":"template","template":)";
    json::append(body, template_of(*content));
  } else {
    if (message.text.empty() || characters(message.text) > most_characters) return std::nullopt;
    body += R"("type":"text","text":)";
    json::append(body, WhatsappWords{.body = message.text});
  }
  body += R"(,"biz_opaque_callback_data":)";
  append_string(body, to_string(message.effect_key));
  body += '}';
  return body;
}

SendResult read_whatsapp_answer(http::Response const& answer) {
  if (answer.status >= 200 && answer.status < 300) {
    auto taken = json::decode<GraphAnswer>(answer.body, answer_limits);
    if (!taken || taken->messages.size() != 1 || !is_message_id(taken->messages.front().id)) {
      return Unknown{fmt::format("HTTP {} without a message id", answer.status)};
    }
    return Accepted{std::move(taken->messages.front().id)};
  }
  auto const code = error_code(answer);
  if (!code) return by_status(answer);
  auto reason = fmt::format("HTTP {}, error {}", answer.status, *code);
  auto const kind = class_of(*code);
  auto const refuses = answer.status >= 400 && answer.status < 500;
  auto const permanent = kind == Class::of_request || kind == Class::never;
  // A status that is unclear, with a code that is not one of the provider's state: not a refusal.
  if (kind == Class::silent || (permanent && !refuses))
    return Unknown{std::move(reason), kind == Class::of_request || refuses};
  Refused refused;
  refused.kind = permanent                  ? Refused::Kind::permanent
                 : kind == Class::throttled ? Refused::Kind::throttled
                                            : Refused::Kind::transient;
  refused.code = std::to_string(*code);
  refused.reason = std::move(reason);
  refused.retry_after = retry_after(answer);
  refused.of_provider = kind == Class::of_account;
  return refused;
}

WhatsAppCloud::WhatsAppCloud(http::Client& client, WhatsAppSettings settings, std::chrono::milliseconds deadline)
    : client_(client), settings_(std::move(settings)), deadline_(deadline) {
  auto const& id = settings_.phone_number_id;
  auto const digits = std::all_of(id.begin(), id.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (id.empty() || !digits) throw std::invalid_argument("not the id of a phone number: set WHATSAPP_PHONE_NUMBER_ID");
  url_ = address_of(settings_.base_url, "/" + id + "/messages", "WHATSAPP_BASE_URL");
}

Task<SendResult> WhatsAppCloud::send(OutboundMessage const& message) {
  auto body = whatsapp_body(message);
  if (!body) {
    co_return Refused{Refused::Kind::permanent, std::string(refusal::invalid_message),
                      "the text is empty or too long, or the recipient is none of WhatsApp's"};
  }
  http::ClientRequest request;
  request.method = "POST";
  request.url = url_;
  request.headers.add("Authorization", "Bearer " + settings_.access_token.reveal());
  request.headers.add("Content-Type", "application/json");
  request.body = std::move(*body);
  request.deadline = deadline_;
  auto calling = call(client_, std::move(request));
  auto outcome = co_await std::move(calling);
  if (!outcome.answer) co_return std::move(outcome.without_answer);
  co_return read_whatsapp_answer(*outcome.answer);
}

Task<LookUp> WhatsAppCloud::look_up(OutboundMessage const&, std::chrono::system_clock::time_point) {
  co_return LookUp{LookUp::State::unknown, {}, "WhatsApp cannot be asked what became of a message"};
}

}  // namespace omnibus::notify
