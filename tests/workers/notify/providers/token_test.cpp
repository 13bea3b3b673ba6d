#include "tests/workers/notify/providers/provider_peer.hpp"

#include <doctest/doctest.h>

namespace omnibus::notify {
namespace {

using Clock = MtnToken::Clock;

/// MTN with a clock of the test's own.
struct Mtn {
  explicit Mtn(ProviderPeer& its_peer)
      : peer(its_peer), provider(peer.client, peer.mtn_settings(), 0, ProviderPeer::deadline, [this] { return now; }) {}
  std::string send() { return told(run(peer.context, provider.send(a_message()))); }
  auto tokens() { return peer.stats()["tokens_granted"]; }

  ProviderPeer& peer;
  Clock::time_point now = Clock::now();
  MtnSms provider;
};

}  // namespace

TEST_CASE("a token is used until shortly before it ends") {
  ProviderPeer peer;
  Mtn mtn(peer);
  CHECK(mtn.send() == "accepted");
  CHECK(mtn.send() == "accepted");
  mtn.now += std::chrono::seconds(3200);
  CHECK(mtn.send() == "accepted");
  CHECK(mtn.tokens() == 1);
  mtn.now += std::chrono::seconds(60);  // nine tenths of 3,599 seconds have passed
  CHECK(mtn.send() == "accepted");
  CHECK(mtn.tokens() == 2);
}

TEST_CASE("messages that wait for a token ask for one together") {
  ProviderPeer peer;
  Mtn mtn(peer);
  auto const message = a_message();
  auto ended = 0;
  auto accepted = 0;
  for (auto i = 0; i < 50; ++i) {
    boost::asio::co_spawn(peer.context, mtn.provider.send(message), [&](std::exception_ptr, SendResult result) {
      ++ended;
      accepted += std::holds_alternative<Accepted>(result) ? 1 : 0;
    });
  }
  while (ended < 50) peer.context.run_one();
  CHECK(accepted == 50);
  CHECK(mtn.tokens() == 1);
}

TEST_CASE("a token is had before a message counts as on its way") {
  ProviderPeer peer("error:provider=mtn_token,times=1");
  Mtn mtn(peer);
  auto const message = a_message();
  CHECK(run(peer.context, mtn.provider.await_turn(message, {})).value().code == refusal::no_token);
  CHECK_FALSE(run(peer.context, mtn.provider.await_turn(message, {})));
  CHECK(mtn.send() == "accepted");
  CHECK(mtn.tokens() == 1);
}

TEST_CASE("a token that was revoked is replaced, and the message taken all the same") {
  ProviderPeer peer;
  Mtn mtn(peer);
  CHECK(mtn.send() == "accepted");
  CHECK(peer.fetch("DELETE", "/_simulator/tokens").status == 204);
  CHECK(mtn.send() == "accepted");
  CHECK(mtn.tokens() == 2);
  CHECK(peer.stats()["acceptances"] == 2);
}

TEST_CASE("without a token nothing of a message leaves, and those that wait fail together") {
  ProviderPeer peer("error:provider=mtn_token,times=1");
  Mtn mtn(peer);
  auto const message = a_message();
  auto ended = 0;
  auto refused = 0;
  for (auto i = 0; i < 20; ++i) {
    boost::asio::co_spawn(peer.context, mtn.provider.send(message), [&](std::exception_ptr, SendResult result) {
      ++ended;
      refused += told(result) == "transient no_token of the provider" ? 1 : 0;
    });
  }
  while (ended < 20) peer.context.run_one();
  CHECK(refused == 20);
  CHECK(peer.stats()["requests"] == 0);
  CHECK(mtn.send() == "accepted");  // the next one asks again
}

TEST_CASE("an answer of the token endpoint is read as the outside's") {
  auto const read = [](std::string body) { return read_token_answer(http::json_response(200, std::move(body))); };
  CHECK(read(R"({"access_token":"abc","expires_in":"3599"})")->lifetime == std::chrono::seconds(3599));
  CHECK(read(R"({"access_token":"abc","expires_in":60})")->lifetime == std::chrono::seconds(60));
  CHECK(read(R"({"access_token":"abc","expires_in":99999999999999999999})")->lifetime == std::chrono::seconds(0));
  CHECK(read(R"({"access_token":"abc"})")->token == "abc");
  for (auto const* body : {"", "{}", R"({"access_token":""})", R"({"access_token":7})", R"({"access_token":"a b"})",
                           R"({"access_token":"a\r\nX: y"})"}) {
    CAPTURE(body);
    CHECK_FALSE(read(body));
  }
  CHECK_FALSE(read(R"({"access_token":")" + std::string(8193, 'x') + R"("})"));
  CHECK_FALSE(read_token_answer(http::json_response(401, R"({"access_token":"abc"})")));
}

}  // namespace omnibus::notify
