#include "workers/gateway/door/waiting.hpp"

#include "workers/gateway/door/refusal.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::gateway;
using namespace std::chrono_literals;

namespace {

http::Request preferring(std::vector<std::string> const& values) {
  http::Request request;
  for (auto const& value : values) request.headers.add("Prefer", value);
  return request;
}

std::optional<std::int64_t> seconds_of(std::vector<std::string> const& values) {
  auto const wait = preferred_wait(preferring(values).headers);
  return wait ? std::optional<std::int64_t>(wait->count()) : std::nullopt;
}

/// A client that leaves after a number of pauses. A pause takes no time.
struct Client final : http::Stream {
  std::vector<std::chrono::milliseconds> pauses;
  std::size_t leaves_after = static_cast<std::size_t>(-1);

  Task<> start(int, http::Headers) override { co_return; }
  Task<> write(std::string_view) override { co_return; }
  Task<> respond(http::Response) override { co_return; }
  void reset() override {}
  bool closed() const override { return pauses.size() >= leaves_after; }
  void on_close(std::function<void()>) override {}
  Task<> wait(std::chrono::milliseconds duration) override {
    pauses.push_back(duration);
    co_return;
  }
};

/// What became of the event, look by look; `last` from then on.
struct Looks {
  std::vector<std::function<std::optional<HandledEvent>()>> steps;
  std::optional<HandledEvent> last;
  int looked = 0;
  std::string asked;  ///< for the event of which worker

  Waiting::Look look() {
    return [this](std::string worker, Uuid) -> Task<std::optional<HandledEvent>> {
      asked = std::move(worker);
      auto const step = static_cast<std::size_t>(looked++);
      co_return step < steps.size() ? steps[step]() : last;
    };
  }
};

std::optional<HandledEvent> outcome_of(Wait& wait, Client& client) {
  boost::asio::io_context context;
  auto outcome = boost::asio::co_spawn(context, wait.handled("match", random_uuid(), client), boost::asio::use_future);
  context.run();
  return outcome.get();
}

}  // namespace

TEST_CASE("the wait of a Prefer header is read as RFC 7240 says") {
  CHECK(seconds_of({"wait=5"}) == 5);
  CHECK(seconds_of({"WAIT=5"}) == 5);
  CHECK(seconds_of({"wait=\"5\""}) == 5);
  CHECK(seconds_of({"wait = 5"}) == 5);
  CHECK(seconds_of({"\t wait=5 "}) == 5);
  CHECK(seconds_of({"respond-async, wait=5"}) == 5);
  CHECK(seconds_of({"respond-async; wait=9, wait=5; x=y"}) == 5);  // the first is a parameter of another preference
  CHECK(seconds_of({"return=minimal", "wait=5"}) == 5);
  CHECK(seconds_of({"note=\"a, wait=9\", wait=5"}) == 5);
  CHECK(seconds_of({"note=\"\\\", wait=9\", wait=5"}) == 5);
  CHECK(seconds_of({"wait=5, wait=9"}) == 5);
  CHECK(seconds_of({"wait=007"}) == 7);
}

TEST_CASE("more than the longest wait is the longest, and what is no number is no wait") {
  CHECK(seconds_of({"wait=30"}) == 30);
  CHECK(seconds_of({"wait=31"}) == 30);
  CHECK(seconds_of({"wait=" + std::string(400, '9')}) == 30);
  for (auto const* value :
       {"",         ",",          "wait",      "wait=",    "wait=0",  "wait=-5", "wait=+5",  "wait=5s",
        "wait=5.5", "wait=a",     "wait=\"\"", "wait=\"5", "waits=5", "await=5", "x=wait=5", "wait 5",
        "wait==5",  "\"wait=5\"", "wait=5\"",  "\"",       "\\",      "=",       ";wait=5"}) {
    CAPTURE(value);
    CHECK_FALSE(seconds_of({value}));
  }
  CHECK_FALSE(seconds_of({"wait=x, wait=5"}));
  CHECK_FALSE(seconds_of({}));
}

TEST_CASE("a request that does not prefer to wait is not looked after") {
  Looks looks;
  Waiting waiting(1, looks.look());
  auto wait = waiting.begin(preferring({}));
  Client client;
  CHECK_FALSE(wait.wanted());
  CHECK_FALSE(outcome_of(wait, client));
  CHECK(looks.looked == 0);
  CHECK(waiting.waiting() == 0);
  http::Response response;
  wait.apply(response);
  CHECK_FALSE(response.headers.contains("Preference-Applied"));
}

TEST_CASE("a wait ends when the worker has handled the event, looking ever more rarely") {
  Looks looks;
  looks.steps.resize(7, [] { return std::optional<HandledEvent>(); });
  looks.last = HandledEvent{};
  Waiting waiting(1, looks.look());
  auto wait = waiting.begin(preferring({"wait=40"}));
  Client client;
  auto const outcome = outcome_of(wait, client);
  REQUIRE(outcome);
  CHECK_FALSE(outcome->parked());
  CHECK(looks.asked == "match");
  CHECK(client.pauses == std::vector<std::chrono::milliseconds>{20ms, 40ms, 80ms, 160ms, 250ms, 250ms, 250ms});
  http::Response response;
  wait.apply(response);
  CHECK(response.headers.find("Preference-Applied") == "wait=30");
}

TEST_CASE("a parked event ends the wait with its class, from which the status follows") {
  Looks looks;
  looks.last = HandledEvent{"not_eligible"};
  Waiting waiting(1, looks.look());
  auto wait = waiting.begin(preferring({"wait=5"}));
  Client client;
  auto const outcome = outcome_of(wait, client);
  REQUIRE(outcome);
  REQUIRE(outcome->parked());
  CHECK(refusal_of(*outcome).status == 409);
  CHECK(refusal_of(*outcome).detail.find("not_eligible") != std::string::npos);
  for (auto const& [error_class, status] : std::vector<std::pair<std::string, int>>{{"unknown_user", 404},
                                                                                    {"unknown_match", 404},
                                                                                    {"unknown_conversation", 404},
                                                                                    {"same_person", 422},
                                                                                    {"invalid_event", 422},
                                                                                    {"illegal_transition", 409},
                                                                                    {"stale_version", 412},
                                                                                    {"unknown_type", 500},
                                                                                    {"model_output", 500},
                                                                                    {"database", 500}}) {
    CAPTURE(error_class);
    CHECK(refusal_of(HandledEvent{error_class}).status == status);
  }
}

TEST_CASE("a wait ends with its time, and then nothing is known of the event") {
  Looks looks;
  Waiting waiting(1, looks.look());
  auto wait = waiting.begin(preferring({"wait=1"}));
  Client client;  // it does not pause: the time passes by looking
  auto const begun = std::chrono::steady_clock::now();
  CHECK_FALSE(outcome_of(wait, client));
  CHECK(std::chrono::steady_clock::now() - begun >= 1s);
  CHECK(*std::min_element(client.pauses.begin(), client.pauses.end()) > 0ms);
}

TEST_CASE("a client that leaves ends its wait") {
  Looks looks;
  Waiting waiting(1, looks.look());
  auto wait = waiting.begin(preferring({"wait=30"}));
  Client client;
  client.leaves_after = 3;
  CHECK_FALSE(outcome_of(wait, client));
  CHECK(looks.looked == 4);
}

TEST_CASE("a database that does not answer for a while only delays what is known") {
  Looks looks;
  looks.steps.resize(3, []() -> std::optional<HandledEvent> { throw std::runtime_error("down"); });
  looks.last = HandledEvent{};
  Waiting waiting(1, looks.look());
  auto wait = waiting.begin(preferring({"wait=5"}));
  Client client;
  CHECK(outcome_of(wait, client));
}

TEST_CASE("of more waiting requests than there is room for the last is refused, until one has ended") {
  Looks looks;
  Waiting waiting(2, looks.look());
  std::optional<Wait> first(waiting.begin(preferring({"wait=5"})));
  auto moved = waiting.begin(preferring({"wait=5"}));
  auto const second = std::move(moved);
  CHECK(waiting.waiting() == 2);
  try {
    waiting.begin(preferring({"wait=5"}));
    FAIL("there was room");
  } catch (Refusal const& refusal) {
    CHECK(refusal.status == 503);
    CHECK(refusal.retry_after);
  }
  CHECK_FALSE(waiting.begin(preferring({})).wanted());  // who does not wait needs no room
  first.reset();
  CHECK(waiting.begin(preferring({"wait=5"})).wanted());
  CHECK(waiting.waiting() == 1);
}
