#include "resilience/circuit_breaker.hpp"
#include "tests/workers/notify/providers/provider_peer.hpp"
#include "workers/notify/providers/guarded_provider.hpp"

#include <functional>
#include <string>

#include <doctest/doctest.h>
#include <fmt/format.h>

namespace omnibus::notify {
namespace {

/// Answers every message the same.
struct OneAnswer final : Provider {
  explicit OneAnswer(SendResult result) : answer(std::move(result)) {}
  std::string_view name() const override { return "one_answer"; }
  std::string_view channel() const override { return "sms"; }
  Capabilities capabilities() const override { return {}; }
  std::int64_t unit_price_micros() const override { return 0; }
  Task<SendResult> send(OutboundMessage const&) override { co_return answer; }
  Task<LookUp> look_up(OutboundMessage const&, std::chrono::system_clock::time_point) override { co_return LookUp{}; }

  SendResult answer;
};

/// Whether ten such answers in a row shut the channel.
bool opens_breaker(SendResult answer) {
  boost::asio::io_context context;
  CircuitBreaker breaker{{.failure_threshold = 5}};
  SendLimits limits{{}};
  GuardedProvider provider{std::make_unique<OneAnswer>(std::move(answer)), limits, breaker};
  auto const message = a_message();
  for (auto i = 0; i < 10; ++i) run(context, provider.send(message));
  return breaker.state() != CircuitBreaker::State::closed;
}

http::Response answered(int status, std::string body) {
  http::Response response;
  response.status = status;
  response.body = std::move(body);
  return response;
}

SendResult of_twilio(int status, int code) {
  return read_twilio_answer(answered(status, fmt::format(R"({{"code":{},"message":"m","status":{}}})", code, status)));
}
SendResult of_whatsapp(int status, int code) {
  return read_whatsapp_answer(answered(status, fmt::format(R"({{"error":{{"message":"m","code":{}}}}})", code)));
}
SendResult of_mtn(int status, std::string const& code) {
  return read_mtn_answer(answered(status, fmt::format(R"({{"statusCode":"{}"}})", code)), random_uuid());
}

}  // namespace

TEST_CASE("errors of a request or a sender never shut a channel, whatever the status they come with") {
  for (auto const status : {400, 403, 404, 500})
    for (auto const code : {21211, 21212, 21265, 21408, 21603, 21606, 21610, 21612, 21614, 21635, 21659, 21660}) {
      CAPTURE(status);
      CAPTURE(code);
      CHECK_FALSE(opens_breaker(of_twilio(status, code)));
    }
  for (auto const status : {400, 403, 404, 500})
    for (auto const code :
         {100, 131008, 131009, 131021, 131026, 131030, 131047, 131049, 131050, 131051, 132000, 132015}) {
      CAPTURE(status);
      CAPTURE(code);
      CHECK_FALSE(opens_breaker(of_whatsapp(status, code)));
    }
  CHECK_FALSE(opens_breaker(of_whatsapp(400, 1)));  // "invalid request or possible server error", with a 4xx
  for (auto const* const code : {"4000", "4004", "0001"}) CHECK_FALSE(opens_breaker(of_mtn(200, code)));
}

TEST_CASE("errors of the account, and answers that do not come, shut the channel") {
  for (auto const code : {20003, 20005, 20404}) CHECK(opens_breaker(of_twilio(401, code)));
  for (auto const code : {0, 3, 10, 33, 190, 200, 368, 131005, 131031, 131042, 133010})
    CHECK(opens_breaker(of_whatsapp(401, code)));
  CHECK(opens_breaker(of_twilio(500, 20500)));
  CHECK(opens_breaker(of_whatsapp(500, 1)));
  CHECK(opens_breaker(of_mtn(200, "4010")));
  CHECK(opens_breaker(by_status(answered(503, ""))));
  CHECK(opens_breaker(by_status(answered(404, ""))));
}

TEST_CASE("a sender that cannot send keeps its messages, and a message that is at fault ends") {
  CHECK(told(of_twilio(400, 21659)) == "transient 21659 of the provider");
  CHECK(told(of_twilio(403, 21408)) == "permanent 21408");  // a country that the account may not write to
  CHECK(told(of_twilio(404, 21211)) == "permanent 21211");
}

}  // namespace omnibus::notify
