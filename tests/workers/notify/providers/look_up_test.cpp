#include "tests/workers/notify/providers/provider_peer.hpp"

#include <doctest/doctest.h>

namespace omnibus::notify {
namespace {

using State = LookUp::State;
using WallClock = std::chrono::system_clock;
using std::chrono::minutes;
using std::chrono::seconds;

std::string listed(std::string sid, std::string text, std::string made, std::string direction = "outbound-api") {
  return R"({"sid":")" + sid + R"(","body":")" + text + R"(","direction":")" + direction + R"(","date_created":")" +
         made + R"("})";
}

LookUp read(std::string messages, bool settled = true, std::string next = "null") {
  auto const sent_at = WallClock::from_time_t(784111770);  // Sun, 06 Nov 1994 08:49:30 GMT
  auto const body = R"({"messages":[)" + messages + R"(],"next_page_uri":)" + next + "}";
  return read_twilio_list(http::json_response(200, body), a_message("+250788000001", "hello"), sent_at, seconds(30),
                          settled);
}

constexpr auto then = "Sun, 06 Nov 1994 08:49:31 +0000";
constexpr auto long_before = "Sun, 06 Nov 1994 08:40:00 +0000";

}  // namespace

TEST_CASE("what Twilio took before its answer was lost is found, and what it did not take is absent in time") {
  ProviderPeer peer("accept_reset:provider=twilio,match=taken;error:provider=twilio,match=lost");
  auto now = WallClock::now();
  TwilioSms twilio(peer.client, peer.twilio_settings(), 0, ProviderPeer::deadline, [&] { return now; });
  auto const look_up = [&](OutboundMessage const& message) {
    return run(peer.context, twilio.look_up(message, WallClock::now()));
  };
  auto const taken = a_message("+250788000001", "this is taken");
  CHECK(told(run(peer.context, twilio.send(taken))) == "unknown");
  auto const found = look_up(taken);
  CHECK(found.state == State::accepted);
  CHECK(found.provider_message_ids.size() == 1);

  auto const lost = a_message("+250788000001", "this is lost");
  CHECK(told(run(peer.context, twilio.send(lost))) == "unknown");
  CHECK(look_up(lost).state == State::unknown);
  now += minutes(2);
  CHECK(look_up(lost).state == State::absent);
}

TEST_CASE("a list is believed as far as it goes") {
  CHECK(read("").state == State::absent);
  CHECK(read("", false).state == State::unknown);
  CHECK(read(listed("SM1", "hello", then)).state == State::accepted);
  CHECK(read(listed("SM1", "hello", "Sun, 06 Nov 1994 10:49:31 +0200")).state == State::accepted);
  CHECK(read(listed("SM1", "Sent from your Twilio trial account - hello", then)).state == State::accepted);
  CHECK(read(listed("SM1", "hello", then, "inbound")).state == State::absent);
  CHECK(read(listed("SM1", "hello!", then)).state == State::absent);
  CHECK(read(listed("SM1", "hello", long_before)).state == State::absent);
  // Whether there is more on the next page matters only where this one does not reach back to the message.
  CHECK(read(listed("SM1", "hello!", then), true, R"("/next")").state == State::unknown);
  CHECK(read(listed("SM1", "hello!", then) + "," + listed("SM2", "x", long_before), true, R"("/next")").state ==
        State::absent);
  for (auto const* hostile : {"{}", "7", R"({"sid":"a b","body":"hello","direction":"outbound-api"})"}) {
    CHECK(read(hostile).state == State::unknown);
  }
  CHECK(read(listed("SM1", "hello", "yesterday")).state == State::unknown);
}

TEST_CASE("equal messages are told apart by nobody: all are named, the oldest first") {
  auto const found = read(listed("SM2", "hello", then) + "," + listed("SM1", "hello", then));
  CHECK(found.provider_message_ids == std::vector<std::string>{"SM1", "SM2"});
}

TEST_CASE("a message that is younger than the request is not taken for it, and makes it absent no more") {
  auto const found = read(listed("SM1", "hello", "Sun, 06 Nov 1994 09:30:00 +0000"));
  CHECK(found.state == State::unknown);
  CHECK(found.provider_message_ids.empty());
  CHECK(read(listed("SM2", "hello", "Sun, 06 Nov 1994 09:30:00 +0000") + "," + listed("SM1", "hello", then))
            .provider_message_ids == std::vector<std::string>{"SM1"});
}

TEST_CASE("who cannot be asked says so") {
  ProviderPeer peer;
  for (auto const* name : {"whatsapp", "mtn"}) {
    auto const provider = peer.provider(name);
    CHECK_FALSE(provider->capabilities().look_up);
    auto const message = a_message();
    CHECK(run(peer.context, provider->look_up(message, WallClock::now())).state == State::unknown);
  }
}

}  // namespace omnibus::notify
