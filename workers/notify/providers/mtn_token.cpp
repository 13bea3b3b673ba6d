#include "workers/notify/providers/mtn_token.hpp"

#include "http/form.hpp"
#include "json/decode.hpp"
#include "json/raw.hpp"
#include "workers/notify/providers/provider_call.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include <boost/describe/class.hpp>
#include <fmt/format.h>

namespace omnibus::notify {
namespace {

struct Granted {
  std::string access_token;
  std::optional<json::Raw> expires_in;  // seconds, as a number or as text
};
BOOST_DESCRIBE_STRUCT(Granted, (), (access_token, expires_in))

}  // namespace

std::optional<TokenAnswer> read_token_answer(http::Response const& answer) {
  if (answer.status != 200) return std::nullopt;
  auto granted = json::decode<Granted>(answer.body, answer_limits);
  if (!granted || granted->access_token.empty() || granted->access_token.size() > 8192) return std::nullopt;
  auto const printable = [](char c) { return c > ' ' && c < 0x7f; };  // its characters are sent in a header
  auto const& token = granted->access_token;
  if (!std::all_of(token.begin(), token.end(), printable)) return std::nullopt;
  auto const text = granted->expires_in ? code_word(granted->expires_in->text) : std::string();
  std::int64_t seconds = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size()) seconds = 0;
  return TokenAnswer{std::move(granted->access_token),
                     std::chrono::seconds(std::clamp<std::int64_t>(seconds, 0, 86400))};
}

MtnToken::MtnToken(http::Client& client, std::string const& base_url, std::string key, std::string secret,
                   std::chrono::milliseconds deadline, std::function<Clock::time_point()> now)
    : client_(client),
      url_(
          address_of(base_url, "/v1/oauth/access_token/accesstoken?grant_type=client_credentials", "MTN_SMS_BASE_URL")),
      deadline_(deadline),
      now_(std::move(now)) {
  http::append_form(form_, "client_id", key);
  http::append_form(form_, "client_secret", secret);
}

Task<MtnToken::Result> MtnToken::get() {
  if (now_() < good_until_) co_return Result{token_, std::nullopt};
  if (fetching_ != nullptr) {
    auto waiting = fetching_->wait();
    co_await std::move(waiting);
  } else {
    fetching_ = std::make_unique<Signal>();
    auto asking = fetch();
    failure_ = co_await std::move(asking);
    auto const signal = std::move(fetching_);
    signal->raise();
  }
  if (failure_) co_return Result{{}, failure_};
  co_return Result{token_, std::nullopt};
}

void MtnToken::reject(std::string const& token) {
  if (token == token_) good_until_ = {};
}

Task<std::optional<Refused>> MtnToken::fetch() {
  http::ClientRequest request;
  request.method = "POST";
  request.url = url_;
  request.headers.add("Content-Type", "application/x-www-form-urlencoded");
  request.headers.add("Accept", "application/json");
  request.body = form_;
  request.deadline = deadline_;
  auto calling = call(client_, std::move(request));
  auto const outcome = co_await std::move(calling);
  Refused refused{Refused::Kind::transient, std::string(refusal::no_token), "no access token", {}, true};
  if (!outcome.answer) {
    auto const* const unsent = std::get_if<Refused>(&outcome.without_answer);
    auto const* const unknown = std::get_if<Unknown>(&outcome.without_answer);
    refused.reason += ": " + (unsent != nullptr ? unsent->reason : unknown != nullptr ? unknown->reason : "");
    co_return refused;
  }
  auto granted = read_token_answer(*outcome.answer);
  if (!granted) {
    refused.reason += fmt::format(": HTTP {}", outcome.answer->status);
    refused.retry_after = retry_after(*outcome.answer);
    co_return refused;
  }
  token_ = std::move(granted->token);
  // A tenth earlier, so that it does not expire on its way; without a known lifetime, only waiting calls use it.
  good_until_ = now_() + granted->lifetime * 9 / 10;
  co_return std::nullopt;
}

}  // namespace omnibus::notify
