#include "compose/simulator/simulator.hpp"

#include "llm/openai_client.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/json.hpp>
#include <doctest/doctest.h>

namespace omnibus::simulator {
namespace {

/// A simulator and our own client on one event loop.
struct Fixture {
  explicit Fixture(std::string_view faults = {}) : simulator(settings(faults)) { server.start(); }

  static SimulatorSettings settings(std::string_view faults) {
    SimulatorSettings settings;
    settings.context_tokens = 1000;
    settings.faults = parse_faults(faults);
    return settings;
  }
  std::string url(std::string const& path) { return "http://127.0.0.1:" + std::to_string(server.port()) + path; }

  http::Response fetch(std::string method, std::string const& path, std::string body = {}) {
    http::ClientRequest request;
    request.method = std::move(method);
    request.url = http::parse_url(url(path)).value();
    request.body = std::move(body);
    request.deadline = std::chrono::seconds(5);
    http::Response response;
    auto ended = false;
    boost::asio::co_spawn(context, client.fetch(request), [&](std::exception_ptr error, http::Response answer) {
      ended = true;
      if (error) std::rethrow_exception(error);
      response = std::move(answer);
    });
    while (!ended) context.run_one();
    return response;
  }
  boost::json::object stats(std::string const& query = {}) {
    return boost::json::parse(fetch("GET", "/_simulator/stats" + query).body).as_object();
  }
  /// The completion, or its error's kind as the finish reason.
  llm::ChatCompletion ask(std::string text, bool stream = true, std::vector<llm::Tool> tools = {},
                          std::chrono::milliseconds deadline = std::chrono::seconds(5)) {
    llm::OpenAiClient model(client, {url("/v1"), "", 100'000, "max_completion_tokens"});
    llm::ChatRequest request;
    request.model = "omnibus-small";
    request.messages = {{"system", "be brief"}, {"user", std::move(text)}};
    request.stream = stream;
    request.tools = std::move(tools);
    request.deadline = deadline;
    llm::ChatCompletion result;
    auto ended = false;
    boost::asio::co_spawn(context,
                          model.complete(std::move(request), [&](std::string_view piece) { streamed += piece; }),
                          [&](std::exception_ptr error, llm::ChatCompletion completion) {
                            ended = true;
                            try {
                              if (error) std::rethrow_exception(error);
                              result = std::move(completion);
                            } catch (llm::LlmError const& failure) {
                              result.finish_reason = to_string(failure.kind());
                            }
                          });
    while (!ended) context.run_one();
    return result;
  }

  boost::asio::io_context context;
  Simulator simulator;
  http::Server server{context.get_executor(), {}, simulator.router()};
  http::Client client{context};
  std::string streamed;
};

}  // namespace

TEST_CASE("a streamed answer and a whole one are the same, with the same usage") {
  Fixture fixture;
  auto const streamed = fixture.ask("Where is my card?");
  CHECK(streamed.finish_reason == "stop");
  CHECK(fixture.streamed == streamed.text);
  CHECK(streamed.text.find("card") != std::string::npos);
  CHECK_FALSE(streamed.usage.estimated);
  auto const whole = fixture.ask("Where is my card?", false);
  CHECK(whole.text == streamed.text);
  CHECK(whole.usage.input == streamed.usage.input);
  CHECK(whole.usage.output == streamed.usage.output);
  CHECK(whole.usage.input > 0);
}

TEST_CASE("a tool whose name is in the question is called with arguments that fit its schema") {
  Fixture fixture;
  std::vector<llm::Tool> const tools{
      {"get_weather", "Tells the weather.",
       R"({"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"}},"required":["city"]})"}};
  for (auto const stream : {true, false}) {
    auto const answer = fixture.ask("weather in Kigali", stream, tools);
    CHECK(answer.finish_reason == "tool_calls");
    REQUIRE(answer.tool_calls.size() == 1);
    CHECK(answer.tool_calls[0].name == "get_weather");
    CHECK(answer.tool_calls[0].arguments == R"({"city":"weather kigali"})");
    CHECK_FALSE(answer.tool_calls[0].id.empty());
    CHECK(answer.text.empty());
  }
  CHECK(fixture.ask("tell me a joke", true, tools).finish_reason == "stop");
}

TEST_CASE("a fact is kept by the tool for it, whatever other tools there are") {
  Fixture fixture;
  std::vector<llm::Tool> const tools{
      {"messaging_send_sms", "Sends.",
       R"({"type":"object","properties":{"body":{"type":"string"}},"required":["body"]})"},
      {"session_add_context", "Keeps.",
       R"({"type":"object","properties":{"context":{"type":"object"}},"required":["context"]})"}};
  auto const answer = fixture.ask("Change price to 250k", true, tools);
  REQUIRE(answer.tool_calls.size() == 1);
  CHECK(answer.tool_calls[0].name == "session_add_context");
  CHECK(answer.tool_calls[0].arguments == R"({"context":{"price":"250k"}})");
}

TEST_CASE("every fault reaches the client as what it is") {
  auto const outcome = [](std::string_view faults, bool stream = true) {
    Fixture fixture(faults);
    return fixture.ask("hello there", stream, {}, std::chrono::milliseconds(400)).finish_reason;
  };
  for (auto const stream : {true, false}) {
    CAPTURE(stream);
    CHECK(outcome("", stream) == "stop");
    CHECK(outcome("rate_limit", stream) == "rate_limited");
    CHECK(outcome("500", stream) == "unavailable");
    CHECK(outcome("reset", stream) == "unavailable");
    CHECK(outcome("truncated", stream) == "protocol");
    CHECK(outcome("endless", stream) == "protocol");
    CHECK(outcome("wrong_type", stream) == "protocol");
    CHECK(outcome("drip:ms=100", stream) == "timeout");
    CHECK(outcome("latency:ms=1000", stream) == "timeout");
  }
  CHECK(outcome("drip:ms=1") == "stop");
  CHECK(outcome("stream_error") == "unavailable");
}

TEST_CASE("the counts prove how often an answer was paid for") {
  Fixture fixture("500:times=1");
  CHECK(fixture.ask("one").finish_reason == "unavailable");
  CHECK(fixture.ask("one").finish_reason == "stop");
  CHECK(fixture.ask("two").finish_reason == "stop");
  auto stats = fixture.stats("?text=one&prompts=1");
  CHECK(stats["requests"] == 3);
  CHECK(stats["answered"] == 2);
  CHECK(stats["answered_again"] == 0);
  CHECK(stats["distinct_prompts"] == 2);
  CHECK(stats["text"] == boost::json::object{{"asked", 2}, {"answered", 1}});
  CHECK(stats["prompts"].as_object().size() == 2);
  CHECK(stats["outcomes"] == boost::json::object{{"error", 1}, {"ok", 2}});
  fixture.ask("two");
  CHECK(fixture.stats()["answered_again"] == 1);
  CHECK(fixture.fetch("DELETE", "/_simulator/stats").status == 204);
  CHECK(fixture.stats()["requests"] == 0);
}

TEST_CASE("faults can be set while it runs") {
  Fixture fixture;
  CHECK(fixture.fetch("POST", "/_simulator/faults", R"({"rules":[{"kind":"error","status":503}]})").status == 200);
  CHECK(fixture.ask("x").finish_reason == "unavailable");
  CHECK(fixture.fetch("DELETE", "/_simulator/faults").status == 204);
  CHECK(fixture.ask("x").finish_reason == "stop");
  CHECK(fixture.fetch("POST", "/_simulator/faults", "{}").status == 422);
}

TEST_CASE("requests that are wrong are refused as the provider does") {
  Fixture fixture;
  auto const refused = [&](std::string body) { return fixture.fetch("POST", "/v1/chat/completions", std::move(body)); };
  CHECK(refused("{").status == 400);
  CHECK(refused("{}").body.find("\"param\":\"model\"") != std::string::npos);
  CHECK(refused(R"({"model":"m","messages":[]})").status == 400);
  CHECK(refused(R"({"model":"m","messages":[{"content":"x"}]})").status == 400);
  CHECK(refused(R"({"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}]})").status == 200);
  CHECK(fixture.ask(std::string(10'000, 'x')).finish_reason == "context_length");
  CHECK(fixture.fetch("GET", "/v1/models").body.find("omnibus-small") != std::string::npos);
}

}  // namespace omnibus::simulator
