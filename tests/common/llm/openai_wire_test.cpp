#include "llm/openai_wire.hpp"

#include <doctest/doctest.h>

namespace omnibus::llm {
namespace {

using Kind = LlmError::Kind;
using std::chrono::milliseconds;

}  // namespace

TEST_CASE("a request says what was asked, escaped, and nothing else") {
  ChatRequest request;
  request.model = "m";
  request.messages = {{"system", "be \"brief\"\n"}, {"user", "hi"}};
  CHECK(encode_request(request, "max_completion_tokens") ==
        R"({"model":"m","messages":[{"role":"system","content":"be \"brief\"\n"},{"role":"user","content":"hi"}],)"
        R"("stream":true,"stream_options":{"include_usage":true}})");
  request.stream = false;
  request.max_tokens = 5;
  request.temperature = 0.5;
  request.seed = 7;
  request.tool_choice = "auto";
  request.tools = {{"find", "Finds.", R"({"type":"object"})"}};
  request.messages = {{"assistant", "", {{"c1", "find", "{}"}}, ""}, {"tool", "found", {}, "c1"}};
  CHECK(
      encode_request(request, "max_tokens") ==
      R"({"model":"m","messages":[{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function",)"
      R"("function":{"name":"find","arguments":"{}"}}]},{"role":"tool","content":"found","tool_call_id":"c1"}],)"
      R"("tools":[{"type":"function","function":{"name":"find","description":"Finds.","parameters":{"type":"object"}}}],)"
      R"("tool_choice":"auto","max_tokens":5,"temperature":0.5,"seed":7})");
}

TEST_CASE("chunks become one answer, tool calls merged by their index") {
  AnswerAssembler answer;
  CHECK(
      answer
          .take_chunk(
              R"({"id":"r1","model":"m-1","choices":[{"index":0,"delta":{"role":"assistant","content":""}}],"usage":null})")
          .empty());
  CHECK_FALSE(answer.begun());
  CHECK(answer.take_chunk(R"({"choices":[{"delta":{"content":"Hel"}}]})") == "Hel");
  CHECK(answer.take_chunk(R"({"choices":[{"delta":{"content":"lo"}}]})") == "lo");
  answer.take_chunk(
      R"({"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":""}}]}}]})");
  answer.take_chunk(
      R"({"choices":[{"delta":{"tool_calls":[{"index":1,"id":"b","function":{"name":"g","arguments":"{"}}]}}]})");
  answer.take_chunk(R"({"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"x\":"}}]}}]})");
  answer.take_chunk(
      R"({"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"1}"}},{"index":1,"function":{"arguments":"}"}}]}}]})");
  answer.take_chunk(R"({"choices":[{"delta":{},"finish_reason":"tool_calls"}]})");
  answer.take_chunk(
      R"({"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":8},)"
      R"("completion_tokens_details":{"reasoning_tokens":2}}})");
  auto const completion = answer.finish(99);
  CHECK(completion.text == "Hello");
  CHECK(completion.finish_reason == "tool_calls");
  CHECK(completion.response_id == "r1");
  CHECK(completion.model == "m-1");
  REQUIRE(completion.tool_calls.size() == 2);
  CHECK(completion.tool_calls[0].arguments == "{\"x\":1}");
  CHECK(completion.tool_calls[1].name == "g");
  CHECK(completion.tool_calls[1].arguments == "{}");
  CHECK(completion.usage.input == 10);
  CHECK(completion.usage.cached == 8);
  CHECK(completion.usage.reasoning == 2);
  CHECK_FALSE(completion.usage.estimated);
}

TEST_CASE("an answer without usage is marked as estimated") {
  AnswerAssembler answer;
  answer.take_whole(R"({"choices":[{"message":{"content":"12345678"},"finish_reason":"stop"}]})");
  auto const completion = answer.finish(42);
  CHECK(completion.usage.estimated);
  CHECK(completion.usage.input == 42);
  CHECK(completion.usage.output == 2);
}

TEST_CASE("what is no chunk is a protocol error, and an error in a chunk is that error") {
  auto const kind_of = [](std::string_view chunk) {
    AnswerAssembler answer;
    try {
      answer.take_whole(chunk);
    } catch (LlmError const& error) {
      return std::string(to_string(error.kind()));
    }
    return std::string("none");
  };
  CHECK(kind_of("{") == "protocol");
  CHECK(kind_of("[]") == "protocol");
  CHECK(kind_of("{}") == "protocol");
  CHECK(kind_of(R"({"choices":"x"})") == "protocol");
  CHECK(kind_of(R"({"choices":[{"delta":{"tool_calls":[{"index":5}]}}]})") == "protocol");
  CHECK(kind_of(R"({"error":{"message":"overloaded","type":"server_error","code":null}})") == "unavailable");
  CHECK(kind_of(R"({"error":"text"})") == "unavailable");
  CHECK(kind_of(R"({"error":{"message":"x","code":429}})") == "rate_limited");
}

TEST_CASE("errors are told apart by status, type and code, whatever their shape") {
  auto const kind_of = [](int status, std::string_view body) { return error_from(status, body, {}).kind(); };
  CHECK(kind_of(429, "") == Kind::rate_limited);
  CHECK(kind_of(429, R"({"error":{"type":"insufficient_quota","code":"insufficient_quota"}})") == Kind::quota);
  CHECK(kind_of(400, R"({"error":{"code":"context_length_exceeded"}})") == Kind::context_length);
  CHECK(kind_of(400, R"({"error":{"message":"This model's maximum context length is 8","code":400}})") ==
        Kind::context_length);
  CHECK(kind_of(400, R"({"error":{"code":"content_filter"}})") == Kind::content_filter);
  CHECK(kind_of(401, R"({"error":{"code":"invalid_api_key"}})") == Kind::invalid_request);
  CHECK(kind_of(404, "<html>") == Kind::invalid_request);
  CHECK(kind_of(422, R"({"error":"text"})") == Kind::invalid_request);
  CHECK(kind_of(408, "") == Kind::timeout);
  CHECK(kind_of(409, "") == Kind::unavailable);
  CHECK(kind_of(500, "\xff") == Kind::unavailable);
  CHECK(kind_of(503, "") == Kind::unavailable);
  CHECK(kind_of(302, "") == Kind::protocol);
  CHECK(error_from(429, "", milliseconds(5)).retry_after() == milliseconds(5));
}

TEST_CASE("an error's reason holds nothing that somebody wrote") {
  auto const error = error_from(
      400,
      R"({"error":{"message":"cannot answer: my card is 4111","type":"invalid_request_error","code":"bad value"}})",
      {});
  CHECK(std::string_view(error.what()) == "HTTP 400 invalid_request_error badvalue");
}

}  // namespace omnibus::llm
