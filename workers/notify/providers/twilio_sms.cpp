#include "workers/notify/providers/twilio_sms.hpp"

#include "http/form.hpp"
#include "json/decode.hpp"
#include "json/raw.hpp"
#include "workers/notify/providers/provider_call.hpp"
#include "workers/notify/providers/recipient.hpp"

#include <algorithm>
#include <charconv>
#include <ctime>
#include <stdexcept>
#include <utility>

#include <boost/describe/class.hpp>
#include <fmt/format.h>
#include <openssl/evp.h>

namespace omnibus::notify {
namespace {

using WallClock = TwilioSms::WallClock;

struct Created {
  std::string sid;
};
BOOST_DESCRIBE_STRUCT(Created, (), (sid))

struct TwilioError {
  json::Raw code;
};
BOOST_DESCRIBE_STRUCT(TwilioError, (), (code))

struct Listed {
  std::string sid;
  std::string body;
  std::string direction;
  std::string date_created;  // RFC 2822
};
BOOST_DESCRIBE_STRUCT(Listed, (), (sid, body, direction, date_created))

struct List {
  std::vector<Listed> messages;
  std::optional<std::string> next_page_uri;
};
BOOST_DESCRIBE_STRUCT(List, (), (messages, next_page_uri))

constexpr std::size_t longest_sms = 1600;
constexpr std::chrono::seconds clock_difference{60};
/// The text that Twilio puts before the messages of trial accounts.
constexpr std::string_view trial_prefix = "Sent from your Twilio trial account - ";

std::size_t sms_characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string base64(std::string const& text) {
  std::string out(4 * ((text.size() + 2) / 3) + 1, '\0');
  auto const size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                    reinterpret_cast<unsigned char const*>(text.data()), static_cast<int>(text.size()));
  out.resize(static_cast<std::size_t>(size));
  return out;
}

std::optional<WallClock::time_point> moment(std::string const& text) {
  std::tm date{};
  if (strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S %z", &date) == nullptr) return std::nullopt;
  auto const east = date.tm_gmtoff;
  return WallClock::from_time_t(timegm(&date)) - std::chrono::seconds(east);
}

bool is_service(std::string_view sender) {
  return sender.size() == 34 && sender.starts_with("MG");
}

/// What a code says of the next message through the same sender and account.
enum class CodeClass {
  of_account,  ///< credentials or account: every message waits until an operator acts; counts against the breaker
  of_sender,   ///< the sender cannot send it: messages wait, and the breaker counts nothing
  of_request,  ///< the recipient, the text or the country: no other message is concerned
  throttled,   ///< too many at once, from this number or in its queue
  other,       ///< by the HTTP status
};

CodeClass class_of(std::int64_t code) {
  switch (code) {
    case 20003:  // "authenticate"
    case 20005:  // "account not active"
    case 20404:  // "resource not found": the account's
      return CodeClass::of_account;
    case 21212:  // "invalid From number"
    case 21603:  // "a From number is required"
    case 21606:  // "not a valid, SMS-capable inbound number for your account"
    case 21659:  // "not a Twilio phone number or short code country mismatch"
    case 21660:  // "mismatch between From and account"
      return CodeClass::of_sender;
    case 14107:
    case 20429:
    case 21611:
    case 30022:
      return CodeClass::throttled;
    default:  // 21xxx are Twilio's errors of a request: 21211, 21408, 21610, 21614, ...
      return code >= 21'000 && code <= 21'999 ? CodeClass::of_request : CodeClass::other;
  }
}

/// A refusal's code, with or without quotes; nothing if the answer has none.
std::optional<std::int64_t> refusal_code(http::Response const& answer) {
  auto const error = json::decode<TwilioError>(answer.body, answer_limits);
  if (!error) return std::nullopt;
  auto const text = code_word(error->code.text);
  std::int64_t code = 0;
  auto const [end, failed] = std::from_chars(text.data(), text.data() + text.size(), code);
  if (failed != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return code;
}

}  // namespace

std::optional<std::string> twilio_form(OutboundMessage const& message, TwilioSettings const& settings) {
  if (!msisdn(message.recipient) || message.text.empty() || sms_characters(message.text) > longest_sms) {
    return std::nullopt;
  }
  auto const& sender = message.sender.empty() ? settings.from : message.sender;
  std::string form;
  http::append_form(form, "To", message.recipient);
  http::append_form(form, is_service(sender) ? "MessagingServiceSid" : "From", sender);
  http::append_form(form, "Body", message.text);
  if (!settings.webhook_base_url.empty()) {
    // Twilio stores no value of ours; only its callback address identifies the message.
    auto const callback =
        settings.webhook_base_url + "/webhooks/sms/receipts?effect_key=" + to_string(message.effect_key);
    http::append_form(form, "StatusCallback", callback);
  }
  return form;
}

SendResult read_twilio_answer(http::Response const& answer) {
  if (answer.status >= 200 && answer.status < 300) {
    auto created = json::decode<Created>(answer.body, answer_limits);
    if (!created || !is_message_id(created->sid)) return Unknown{fmt::format("HTTP {} without a sid", answer.status)};
    return Accepted{std::move(created->sid)};
  }
  auto result = by_status(answer);
  auto const code = refusal_code(answer);
  if (!code) return result;
  auto const kind = class_of(*code);
  auto const spares = kind == CodeClass::of_sender || kind == CodeClass::of_request;
  if (auto* const unknown = std::get_if<Unknown>(&result)) unknown->spares_breaker = spares;
  auto* const refused = std::get_if<Refused>(&result);
  if (refused == nullptr) return result;
  refused->code = std::to_string(*code);
  refused->reason += ", error " + refused->code;
  refused->spares_breaker = spares;
  if (kind == CodeClass::of_request)
    refused->of_provider = false;
  else if (kind == CodeClass::of_account || kind == CodeClass::of_sender)
    refused->of_provider = true;
  if (refused->of_provider)
    refused->kind = Refused::Kind::transient;
  else if (kind == CodeClass::of_request)
    refused->kind = Refused::Kind::permanent;
  if (kind == CodeClass::throttled) refused->kind = Refused::Kind::throttled;
  return result;
}

LookUp read_twilio_list(http::Response const& answer, OutboundMessage const& message, WallClock::time_point sent_at,
                        std::chrono::milliseconds deadline, bool settled) {
  LookUp found;
  found.reason = fmt::format("HTTP {}", answer.status);
  if (answer.status != 200) return found;
  auto const list = json::decode<List>(answer.body, answer_limits);
  if (!list) {
    found.reason = "a list that cannot be read";
    return found;
  }
  auto reached = !list->next_page_uri || list->next_page_uri->empty();
  // Sending begins soon after it was recorded, and ends in time.
  auto const latest = sent_at + deadline + 2 * clock_difference;
  auto later = false;
  for (auto const& listed : list->messages) {
    auto const made = moment(listed.date_created);
    if (!made || !is_message_id(listed.sid)) {
      found.reason = "a list with an entry that cannot be read";
      return found;
    }
    if (*made < sent_at - clock_difference) {
      reached = true;
      continue;
    }
    auto const text = std::string_view(listed.body);
    auto const same =
        text == message.text || (text.starts_with(trial_prefix) && text.substr(trial_prefix.size()) == message.text);
    if (!same || !listed.direction.starts_with("outbound")) continue;
    if (*made <= latest)
      found.provider_message_ids.push_back(listed.sid);
    else
      later = true;
  }
  std::reverse(found.provider_message_ids.begin(), found.provider_message_ids.end());
  if (!found.provider_message_ids.empty()) {
    found.state = LookUp::State::accepted;
  } else if (later) {
    found.reason = "a message with the same text is younger than its request";
    return found;
  } else if (settled && reached) {
    found.state = LookUp::State::absent;
  }
  found.settled = settled && reached;
  found.reason = settled ? "the list does not reach back that far" : "too early to say";
  if (found.state != LookUp::State::unknown) found.reason.clear();
  return found;
}

TwilioSms::TwilioSms(http::Client& client, TwilioSettings settings, std::int64_t segment_price_micros,
                     std::chrono::milliseconds deadline, std::function<WallClock::time_point()> now)
    : client_(client),
      settings_(std::move(settings)),
      price_(segment_price_micros),
      deadline_(deadline),
      now_(std::move(now)) {
  auto const& sid = settings_.account_sid;
  auto const word = std::all_of(sid.begin(), sid.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  });
  if (sid.empty() || sid.size() > 64 || !word)
    throw std::invalid_argument("not a Twilio account SID: set TWILIO_ACCOUNT_SID");
  if (settings_.auth_token.empty()) throw std::invalid_argument("Twilio needs a token: set TWILIO_AUTH_TOKEN");
  if (settings_.from.empty()) throw std::invalid_argument("Twilio needs a sender: set TWILIO_FROM");
  while (settings_.webhook_base_url.ends_with('/')) settings_.webhook_base_url.pop_back();
  if (!settings_.webhook_base_url.empty()) address_of(settings_.webhook_base_url, "/", "TWILIO_WEBHOOK_BASE_URL");
  url_ = address_of(settings_.base_url, "/2010-04-01/Accounts/" + sid + "/Messages.json", "TWILIO_BASE_URL");
  authorization_ = "Basic " + base64(sid + ":" + settings_.auth_token.reveal());
}

http::ClientRequest TwilioSms::request() const {
  http::ClientRequest request;
  request.url = url_;
  request.headers.add("Authorization", authorization_);
  request.headers.add("Accept", "application/json");
  request.deadline = deadline_;
  return request;
}

Task<SendResult> TwilioSms::send(OutboundMessage const& message) {
  auto form = twilio_form(message, settings_);
  if (!form) {
    co_return Refused{Refused::Kind::permanent, std::string(refusal::invalid_message),
                      "the text is empty or too long, or the recipient is no number in E.164"};
  }
  auto post = request();
  post.method = "POST";
  post.headers.add("Content-Type", "application/x-www-form-urlencoded");
  post.body = std::move(*form);
  auto calling = call(client_, std::move(post));
  auto outcome = co_await std::move(calling);
  if (!outcome.answer) co_return std::move(outcome.without_answer);
  co_return read_twilio_answer(*outcome.answer);
}

Task<LookUp> TwilioSms::look_up(OutboundMessage const& message, WallClock::time_point sent_at) {
  // Not by date: a message that still waits at Twilio has no sending date.
  auto get = request();
  get.url.target += '?';
  http::append_form(get.url.target, "To", message.recipient);
  auto const& sender = message.sender.empty() ? settings_.from : message.sender;
  if (!is_service(sender)) http::append_form(get.url.target, "From", sender);
  http::append_form(get.url.target, "PageSize", "100");
  auto calling = call(client_, std::move(get));
  auto const outcome = co_await std::move(calling);
  if (!outcome.answer) co_return LookUp{LookUp::State::unknown, {}, "the list could not be asked for"};
  co_return read_twilio_list(*outcome.answer, message, sent_at, deadline_, now_() - sent_at >= settings_.look_up_after);
}

}  // namespace omnibus::notify
