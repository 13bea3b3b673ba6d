#include "tests/compose/simulator/simulator_fixture.hpp"

#include <set>

#include <doctest/doctest.h>

namespace omnibus::simulator {
namespace {

using Fixture = SimulatorFixture;

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

TEST_CASE("every completion has its own id, and its tool calls have theirs") {
  std::vector<llm::Tool> const tools{{"get_weather", "Tells the weather.", R"({"type":"object"})"}};
  Fixture fixture;
  std::set<std::string> ids;
  for (auto i = 0; i < 3; ++i) {
    for (auto const stream : {true, false}) {
      ids.insert(fixture.ask("weather", stream).response_id);
      auto const answer = fixture.ask("weather", stream, tools);
      REQUIRE(answer.tool_calls.size() == 1);
      ids.insert(answer.tool_calls[0].id);
    }
  }
  CHECK(ids.size() == 12);
  Fixture other;
  CHECK(ids.count(other.ask("weather").response_id) == 1);  // the same requests get the same ids
}

TEST_CASE("a fact is stored with the tool for facts, or else with the one that the question names") {
  llm::Tool const set_price{"set_price", "Sets the price.", R"({"type":"object"})"};
  llm::Tool const add_context{"session_add_context", "Keeps a fact.", R"({"type":"object"})"};
  Fixture fixture;
  auto const called = [&](std::vector<llm::Tool> const& tools) {
    auto const answer = fixture.ask("Please set the price to 250k", true, tools);
    REQUIRE(answer.tool_calls.size() == 1);
    return answer.tool_calls[0].name;
  };
  CHECK(called({set_price}) == "set_price");
  CHECK(called({set_price, add_context}) == "session_add_context");
}

TEST_CASE("an odd ending is that of an answer that was cut, too") {
  Fixture fixture;
  auto const ending = [&](std::string const& oddity) {
    auto const body = R"({"model":"m","max_tokens":5,"messages":[{"role":"user","content":"Where is my card?"}]})";
    auto const answer = fixture.fetch("POST", "/v1/chat/completions", body, {{"X-Oddity", oddity}}).body;
    auto const read = boost::json::parse(answer);
    return std::string(read.at_pointer("/choices/0/finish_reason").as_string());
  };
  CHECK(ending("no-id") == "length");
  CHECK(ending("finish-end-turn") == "max_tokens");
  CHECK(ending("nothing-said") == "stop");
}

TEST_CASE("a path that there is not gets an error of the OpenAI wire") {
  Fixture fixture;
  for (auto const& [method, path] :
       {std::pair{"GET", "/v1/embeddings"}, {"POST", "/"}, {"GET", "/v1/chat/completions"}}) {
    auto const response = fixture.fetch(method, path);
    CHECK(response.status == 404);
    CHECK(response.headers.find("Content-Type") == "application/json");
    auto const message = "Invalid URL (" + std::string(method) + ' ' + path + ')';
    CHECK(response.body == error_body(message, "invalid_request_error", {}, {}));
  }
  CHECK(error_body("m", "t", {}, {}) == R"({"error":{"message":"m","type":"t","param":null,"code":null}})");
}

TEST_CASE("an oddity is told for one request by its header, or for all while it runs") {
  Fixture fixture;
  auto const body = R"({"model":"m","messages":[{"role":"user","content":"hi"}]})";
  auto const ask = [&](http::Headers headers) {
    return fixture.fetch("POST", "/v1/chat/completions", body, std::move(headers));
  };
  CHECK(ask({{"X-Oddity", "error-as-text"}}).status == 404);
  CHECK(ask({}).status == 200);
  auto const refused = ask({{"X-Oddity", "nonsense"}});
  CHECK(refused.status == 400);
  CHECK(refused.body.find("only-thought") != std::string::npos);
  CHECK(fixture.fetch("POST", "/_simulator/oddities", R"({"rules":[{"kind":"error-as-text","times":1}]})").status ==
        200);
  CHECK(ask({}).status == 404);
  CHECK(ask({}).status == 200);
  CHECK(fixture.fetch("POST", "/_simulator/oddities", R"({"rules":[{"kind":"nonsense"}]})").status == 422);
  CHECK(fixture.fetch("DELETE", "/_simulator/oddities").status == 204);
  CHECK(fixture.fetch("GET", "/_simulator/oddities").body.find("\"name\":\"only-thought\"") != std::string::npos);
  CHECK(fixture.stats()["outcomes"] == boost::json::object{{"error-as-text", 2}, {"ok", 2}, {"refused", 1}});
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
