#include "llm/resilient_llm.hpp"

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <doctest/doctest.h>

namespace omnibus::llm {
namespace {

using Kind = LlmError::Kind;

/// A model that does what it is told, call by call; then it answers with its name.
class FakeLlm final : public LlmPort {
 public:
  void fail_next(Kind kind, std::string piece = {}, std::shared_ptr<ChatCompletion const> remains = {}) {
    script_.push_back({kind, std::move(piece), std::move(remains), {}});
  }
  void find_no_connection() { script_.push_back({Kind::timeout, {}, {}, {}, false}); }
  void say_next(std::string text) { script_.push_back({{}, {}, {}, std::move(text)}); }
  Task<ChatCompletion> complete(ChatRequest request, DeltaSink sink) override {
    asked.push_back(request.model);
    deadlines.push_back(request.deadline);
    if (on_asked) on_asked();
    if (!script_.empty()) {
      auto const step = script_.front();
      script_.pop_front();
      if (step.text) {
        ChatCompletion completion;
        completion.text = *step.text;
        co_return completion;
      }
      if (!step.piece.empty()) sink(step.piece);
      LlmError const error(step.kind, "scripted", {}, step.remains);
      throw step.sent ? error : error.unsent();
    }
    if (sink) sink(request.model);
    ChatCompletion completion;
    completion.text = request.model + ": " + request.messages.at(0).content;
    co_return completion;
  }
  std::vector<std::string> asked;
  std::vector<std::chrono::milliseconds> deadlines;
  std::function<void()> on_asked;

 private:
  struct Step {
    Kind kind;
    std::string piece;
    std::shared_ptr<ChatCompletion const> remains;
    std::optional<std::string> text;
    bool sent = true;
  };
  std::deque<Step> script_;
};

struct Fixture {
  FakeLlm fake;
  CircuitBreakers breakers;
  CircuitBreaker::Clock::time_point now{std::chrono::hours(1)};
  std::vector<std::string> attempts;
  std::string streamed;
  CircuitBreaker::Clock::time_point until = CircuitBreaker::Clock::time_point::max();
  ResilientLlm model{fake,
                     "http://x",
                     "spare",
                     breakers,
                     [this](LlmAttempt const& attempt) {
                       attempts.push_back(attempt.model + " " +
                                          (attempt.error ? std::string(to_string(attempt.error->kind())) : "ok") +
                                          (attempt.fallback_from ? " after " + *attempt.fallback_from : ""));
                     },
                     [this] { return now; }};

  /// The answer's text and what it fell back from, or the error's kind.
  std::string ask() {
    ChatRequest request;
    request.until = until;
    request.model = "main";
    request.messages = {{"user", "hello"}};
    std::string result;
    boost::asio::io_context context;
    boost::asio::co_spawn(context,
                          model.complete(std::move(request), [&](std::string_view piece) { streamed += piece; }),
                          [&](std::exception_ptr error, ChatCompletion const& completion) {
                            try {
                              if (error) std::rethrow_exception(error);
                              result = completion.text;
                              if (!completion.fallback_from.empty())
                                result += " instead of " + completion.fallback_from;
                            } catch (LlmError const& failure) {
                              result = to_string(failure.kind());
                            }
                          });
    context.run();
    return result;
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a model that answers is asked once") {
  CHECK(ask() == "main: hello");
  CHECK(attempts == std::vector<std::string>{"main ok"});
}

TEST_CASE_FIXTURE(Fixture, "the fallback model has only the time that the first one left") {
  fake.fail_next(Kind::timeout);
  until = now + std::chrono::seconds{80};
  fake.on_asked = [&] { now += std::chrono::seconds{60}; };
  ask();
  CHECK(fake.deadlines == std::vector<std::chrono::milliseconds>{std::chrono::seconds{60}, std::chrono::seconds{20}});
}

TEST_CASE_FIXTURE(Fixture, "the fallback model has a quarter of the time, however slow the first one is") {
  fake.fail_next(Kind::timeout);
  until = now + std::chrono::seconds{10};
  fake.on_asked = [&] { now += fake.deadlines.back(); };
  CHECK(ask() == "spare: hello instead of main");
  CHECK(fake.deadlines ==
        std::vector<std::chrono::milliseconds>{std::chrono::milliseconds{7500}, std::chrono::milliseconds{2500}});
}

TEST_CASE_FIXTURE(Fixture, "no model is asked that has no time to answer") {
  until = now + std::chrono::milliseconds{99};
  CHECK(ask() == "timeout");
  until = now - std::chrono::hours{1};
  CHECK(ask() == "timeout");
  CHECK(fake.asked.empty());
  CHECK(attempts.empty());
}

TEST_CASE_FIXTURE(Fixture, "a model that had less than a second opens no breaker by using it up") {
  until = now + std::chrono::milliseconds{900};
  for (auto i = 0; i < 20; ++i) fake.fail_next(Kind::timeout);
  for (auto i = 0; i < 10; ++i) CHECK(ask() == "timeout");
  until = CircuitBreaker::Clock::time_point::max();
  CHECK(ask() == "main: hello");
}

TEST_CASE_FIXTURE(Fixture, "answers that begin and fall silent open the breaker") {
  auto const remains = std::make_shared<ChatCompletion>();
  remains->oddities.add(Oddity::silent);
  for (auto i = 0; i < 10; ++i) fake.fail_next(Kind::timeout, {}, remains);
  for (auto i = 0; i < 5; ++i) CHECK(ask() == "timeout");
  CHECK(ask() == "breaker_open");
}

TEST_CASE_FIXTURE(Fixture, "the fallback model answers where the first one fails") {
  fake.fail_next(Kind::unavailable);
  CHECK(ask() == "spare: hello instead of main");
  CHECK(attempts == std::vector<std::string>{"main unavailable", "spare ok after main"});
}

TEST_CASE_FIXTURE(Fixture, "when both fail the last error is told, and nothing is retried") {
  fake.fail_next(Kind::unavailable);
  fake.fail_next(Kind::timeout);
  CHECK(ask() == "timeout");
  CHECK(fake.asked == std::vector<std::string>{"main", "spare"});
}

TEST_CASE_FIXTURE(Fixture, "a request that is wrong for every model is not tried on another") {
  fake.fail_next(Kind::invalid_request);
  CHECK(ask() == "invalid_request");
  CHECK(fake.asked.size() == 1);
}

TEST_CASE_FIXTURE(Fixture, "half an answer is not continued by another model, which answers whole") {
  fake.fail_next(Kind::protocol, "half");
  CHECK(ask() == "spare: hello instead of main");
  CHECK(streamed == "half");
}

TEST_CASE_FIXTURE(Fixture, "an answer without words is none: the fallback model is asked") {
  fake.say_next(" \n");
  CHECK(ask() == "spare: hello instead of main");
  CHECK(attempts == std::vector<std::string>{"main no_words", "spare ok after main"});
  fake.say_next("");
  fake.say_next("");
  CHECK(ask() == "no_words");
}

TEST_CASE_FIXTURE(Fixture, "answers that nobody can read, and errors within answers, open no breaker") {
  auto const remains = std::make_shared<ChatCompletion>();
  for (auto const kind : {Kind::protocol, Kind::unavailable, Kind::timeout}) {
    for (auto i = 0; i < 40; ++i) fake.fail_next(kind, {}, remains);
    for (auto i = 0; i < 20; ++i) CHECK(ask() == to_string(kind));
  }
  CHECK(ask() == "main: hello");
}

TEST_CASE_FIXTURE(Fixture, "after five failures the model is not asked for a minute, then once") {
  for (auto i = 0; i < 5; ++i) {
    fake.fail_next(Kind::unavailable);
    ask();
  }
  fake.asked.clear();
  CHECK(ask() == "spare: hello instead of main");
  CHECK(fake.asked == std::vector<std::string>{"spare"});
  now += std::chrono::seconds(60);
  CHECK(ask() == "main: hello");
}

TEST_CASE_FIXTURE(Fixture, "with every breaker open nobody is asked") {
  for (auto i = 0; i < 10; ++i) fake.fail_next(Kind::unavailable);
  for (auto i = 0; i < 5; ++i) ask();
  fake.asked.clear();
  attempts.clear();
  CHECK(ask() == "breaker_open");
  CHECK(fake.asked.empty());
  CHECK(attempts.empty());
}

TEST_CASE_FIXTURE(Fixture, "requests that find no connection of ours free open no breaker") {
  for (auto i = 0; i < 40; ++i) fake.find_no_connection();
  for (auto i = 0; i < 20; ++i) CHECK(ask() == "timeout");
  CHECK(ask() == "main: hello");
}

TEST_CASE_FIXTURE(Fixture, "a rate limit opens no breaker") {
  for (auto i = 0; i < 40; ++i) fake.fail_next(Kind::rate_limited);
  for (auto i = 0; i < 20; ++i) CHECK(ask() == "rate_limited");
}

}  // namespace omnibus::llm
