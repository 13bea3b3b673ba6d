#include "workers/notify/providers/mtn_sms.hpp"

#include "json/decode.hpp"
#include "json/encode.hpp"
#include "workers/notify/providers/recipient.hpp"

#include <stdexcept>
#include <utility>

#include <boost/describe/class.hpp>
#include <fmt/format.h>

namespace omnibus::notify {
namespace {

struct MtnMessage {
  std::string senderAddress;
  std::vector<std::string> receiverAddress;
  std::string message;
  Uuid clientCorrelatorId;
  std::string serviceCode;
  bool requestDeliveryReceipt = true;
};
BOOST_DESCRIBE_STRUCT(MtnMessage, (),
                      (senderAddress, receiverAddress, message, clientCorrelatorId, serviceCode,
                       requestDeliveryReceipt))

struct MtnAnswer {
  std::string statusCode;
  std::optional<std::string> transactionId;
};
BOOST_DESCRIBE_STRUCT(MtnAnswer, (), (statusCode, transactionId))

constexpr std::string_view success = "0000";

}  // namespace

std::optional<std::string> mtn_body(OutboundMessage const& message, MtnSmsSettings const& settings) {
  auto const number = msisdn(message.recipient);
  if (!number || message.text.empty()) return std::nullopt;
  auto const& sender = message.sender.empty() ? settings.sender_id : message.sender;
  MtnMessage body;
  body.senderAddress = sender;
  body.receiverAddress.emplace_back(*number);
  body.message = message.text;
  body.clientCorrelatorId = message.effect_key;
  body.serviceCode = settings.service_code.empty() ? sender : settings.service_code;
  return json::encode(body);
}

SendResult read_mtn_answer(http::Response const& answer, Uuid const& effect_key) {
  if (answer.status < 200 || answer.status >= 300) return by_status(answer);
  auto read = json::decode<MtnAnswer>(answer.body, answer_limits);
  if (!read) return Unknown{fmt::format("HTTP {} without a status code", answer.status)};
  if (read->statusCode == success) {
    auto& id = read->transactionId;
    return Accepted{id && is_message_id(*id) ? std::move(*id) : to_string(effect_key)};
  }
  auto code = code_word(read->statusCode);
  auto reason = fmt::format("HTTP {}, status code {}", answer.status, code);
  // MTN publishes no list of its codes. Codes 4xxx follow HTTP's 4xx; no other code says that nothing was sent.
  // It answered with success and a code: it works, whatever became of the message.
  if (code.size() != 4 || code.front() != '4') return Unknown{std::move(reason), true};
  Refused refused;
  auto const of_account = code.starts_with("401") || code.starts_with("403");
  refused.kind = code.starts_with("429") ? Refused::Kind::throttled
                 : of_account            ? Refused::Kind::transient
                                         : Refused::Kind::permanent;
  refused.code = std::move(code);
  refused.reason = std::move(reason);
  refused.retry_after = retry_after(answer);
  refused.of_provider = of_account;
  return refused;
}

MtnSms::MtnSms(http::Client& client, MtnSmsSettings settings, std::int64_t segment_price_micros,
               std::chrono::milliseconds deadline, std::function<MtnToken::Clock::time_point()> now)
    : client_(client),
      settings_(std::move(settings)),
      price_(segment_price_micros),
      deadline_(deadline),
      url_(address_of(settings_.base_url, "/v3/sms/messages/sms/outbound", "MTN_SMS_BASE_URL")),
      token_(client, settings_.base_url, settings_.api_key.reveal(), settings_.api_secret.reveal(), deadline,
             std::move(now)) {
  if (settings_.api_secret.empty()) throw std::invalid_argument("MTN needs a secret: set MTN_SMS_API_SECRET");
  if (settings_.sender_id.empty() || settings_.sender_id.size() > 15)
    throw std::invalid_argument("a sender has 1 to 11 letters and digits, or is a short code: set MTN_SMS_SENDER_ID");
}

Task<CallOutcome> MtnSms::post(std::string body, std::string const& token, std::chrono::milliseconds deadline) {
  http::ClientRequest request;
  request.method = "POST";
  request.url = url_;
  request.headers.add("Authorization", "Bearer " + token);
  request.headers.add("Content-Type", "application/json");
  request.headers.add("Accept", "application/json");
  request.body = std::move(body);
  request.deadline = deadline;
  return call(client_, std::move(request));
}

Task<std::optional<Refused>> MtnSms::await_turn(OutboundMessage const&, Pause const&) {
  auto getting = token_.get();
  auto granted = co_await std::move(getting);
  co_return std::move(granted.refused);
}

Task<SendResult> MtnSms::send(OutboundMessage const& message) {
  auto body = mtn_body(message, settings_);
  if (!body) {
    co_return Refused{Refused::Kind::permanent, std::string(refusal::invalid_message),
                      "the text is empty, or the recipient is no number in E.164"};
  }
  // A valid token may have been revoked. A 401 says that nothing was accepted, so one retry with
  // another token is still the first attempt, within the same deadline: after that its result is not awaited any more.
  auto const until = std::chrono::steady_clock::now() + deadline_;
  for (auto again = true;; again = false) {
    auto getting = token_.get();
    auto granted = co_await std::move(getting);
    if (granted.refused) co_return std::move(*granted.refused);
    auto const left = std::chrono::floor<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    if (left.count() <= 0) {
      co_return Refused{Refused::Kind::transient, std::string(refusal::no_token), "no access token in time", {}, true};
    }
    auto posting = post(*body, granted.token, left);
    auto outcome = co_await std::move(posting);
    if (!outcome.answer) co_return std::move(outcome.without_answer);
    if (outcome.answer->status == 401) token_.reject(granted.token);
    if (outcome.answer->status != 401 || !again) co_return read_mtn_answer(*outcome.answer, message.effect_key);
  }
}

Task<LookUp> MtnSms::look_up(OutboundMessage const&, std::chrono::system_clock::time_point) {
  co_return LookUp{LookUp::State::unknown, {}, "MTN cannot be asked what became of a message"};
}

}  // namespace omnibus::notify
