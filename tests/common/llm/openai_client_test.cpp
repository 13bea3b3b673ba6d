#include "llm/openai_client.hpp"

#include "tests/common/http/scripted_peer.hpp"

#include <atomic>
#include <cstring>
#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <doctest/doctest.h>
#include <fmt/format.h>

namespace omnibus::llm {
namespace {

using http::ScriptedConnection;
using http::ScriptedPeer;

struct Result {
  ChatCompletion completion;
  std::vector<std::string> pieces;
  std::string error;
  std::optional<LlmError> failure;
};

ChatRequest question(bool stream = true) {
  ChatRequest request;
  request.model = "m";
  request.messages = {{"user", "hello"}};
  request.stream = stream;
  request.deadline = std::chrono::seconds(5);
  return request;
}

Result ask(std::string const& base_url, ChatRequest request, std::size_t max_response_bytes = 100'000) {
  boost::asio::io_context context;
  http::Client client(context);
  OpenAiClient model(client, {base_url, "key-1", max_response_bytes, "max_completion_tokens"});
  Result result;
  auto ended = false;
  boost::asio::co_spawn(
      context, model.complete(std::move(request), [&](std::string_view piece) { result.pieces.emplace_back(piece); }),
      [&](std::exception_ptr error, ChatCompletion completion) {
        ended = true;
        result.completion = std::move(completion);
        try {
          if (error) std::rethrow_exception(error);
        } catch (LlmError const& failure) {
          result.error = to_string(failure.kind());
          result.failure = failure;
        }
      });
  while (!ended) context.run_one();
  return result;
}

/// Answers one request with these bytes and closes.
Result answered(std::string const& bytes, bool stream = true, std::size_t max_response_bytes = 100'000) {
  ScriptedPeer peer([&](ScriptedConnection& connection, int) {
    connection.read_request();
    connection.send(bytes);
  });
  return ask(peer.url("/v1"), question(stream), max_response_bytes);
}

constexpr auto stream_head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\n";
constexpr auto json_head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n";

}  // namespace

TEST_CASE("an answer is streamed piece by piece and ends with its usage") {
  std::string seen;
  ScriptedPeer peer([&](ScriptedConnection& connection, int) {
    seen = connection.read_request();
    connection.send(
        std::string(stream_head) +
        ": keep-alive\r\n\r\n"
        "data: {\"id\":\"r\",\"model\":\"m-1\",\"choices\":[{\"delta\":{\"content\":\"Hé\"}}],\"usage\":null}\r\n\r\n"
        "data: {\"choices\":[{\"delta\":{\"content\":\"llo\"}}]}\n\n"
        "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\n"
        "data: [DONE]\n\n");
  });
  auto const result = ask(peer.url("/v1/"), question());
  CHECK(result.error.empty());
  CHECK(result.pieces == std::vector<std::string>{"Hé", "llo"});
  CHECK(result.completion.text == "Héllo");
  CHECK(result.completion.finish_reason == "stop");
  CHECK(result.completion.model == "m-1");
  CHECK(result.completion.usage.input == 3);
  CHECK(result.completion.ttft);
  CHECK(seen.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"));
  CHECK(seen.find("Authorization: Bearer key-1\r\n") != std::string::npos);
  CHECK(seen.find("\"include_usage\":true") != std::string::npos);
}

TEST_CASE("words behind a finish reason belong to the answer, however late its end comes") {
  ScriptedPeer peer([](ScriptedConnection& connection, int) {
    connection.read_request();
    connection.send(std::string(stream_head) + "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n" +
                    "data: {\"choices\":[{\"delta\":{\"content\":\"One\"}}]}\n\n");
    std::this_thread::sleep_for(std::chrono::milliseconds(1'300));  // longer than usage is waited for
    connection.send("data: {\"choices\":[{\"delta\":{\"content\":\" two\"},\"finish_reason\":\"stop\"}]}\n\n");
    connection.send("data: [DONE]\n\n");
  });
  auto const result = ask(peer.url("/v1"), question());
  CHECK(result.error.empty());
  CHECK(result.completion.text == "One two");
}

TEST_CASE("an answer that is not streamed is taken whole") {
  auto const result = answered(
      std::string(json_head) +
          R"({"model":"m","choices":[{"message":{"role":"assistant","content":"Hi"},"finish_reason":"length"}]})",
      false);
  CHECK(result.error.empty());
  CHECK(result.completion.text == "Hi");
  CHECK(result.completion.finish_reason == "length");
  CHECK(result.completion.usage.estimated);
  CHECK_FALSE(result.completion.ttft);
}

TEST_CASE("a broken answer is a protocol error, however it is broken") {
  auto const stream = std::string(stream_head);
  CHECK(answered(stream + "data: {\"choices\":[{\"delta\":{\"content\":\"half\"}}]}\n\n").error == "protocol");
  CHECK(answered(stream + "data: {\"choices\":[{\"del\n\n").error == "protocol");
  CHECK(answered(stream).error == "protocol");
  CHECK(answered(std::string(json_head) + "{\"choices\":[]}").error == "protocol");
  CHECK(answered("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>").error == "protocol");
  CHECK(answered(std::string(json_head) + "{\"choi", false).error == "protocol");
  CHECK(answered(stream + std::string(200'000, ':')).error == "protocol");
  auto const sized = std::string("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n");
  CHECK(answered(sized).error == "unavailable");
  CHECK(answered(sized + "data: {\"choices\":[{\"delta\":{\"content\":\"One\"}}]}\n\n").error == "protocol");
  CHECK(answered(stream + "data: " + std::string(60'000, 'x'), true, 50'000).error == "protocol");
}

TEST_CASE("errors come typed, with what the provider asks for") {
  auto const limited =
      answered("HTTP/1.1 429 Slow\r\nRetry-After: 2\r\nretry-after-ms: 1500\r\n\r\n{\"error\":{\"message\":\"x\"}}");
  CHECK(limited.error == "rate_limited");
  CHECK(limited.failure->retry_after() == std::chrono::milliseconds(1500));
  CHECK(limited.failure->retriable());
  CHECK(answered("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n").error == "unavailable");
  CHECK(answered("HTTP/1.1 401 No\r\n\r\n{\"error\":\"no\"}").error == "invalid_request");
  CHECK(answered(std::string(stream_head) + "data: {\"error\":{\"message\":\"overloaded\"}}\n\n").error ==
        "unavailable");
  CHECK(answered(std::string(json_head) + "{\"error\":{\"code\":\"rate_limit_exceeded\"}}").error == "rate_limited");
  CHECK(answered("").error == "unavailable");
  CHECK(ask("http://127.0.0.1:1/v1", question()).error == "unavailable");
}

TEST_CASE("an answer ends with what says so, and not with the connection") {
  auto const said = std::string(stream_head) +
                    "data: {\"choices\":[{\"delta\":{\"content\":\"All is said.\"}}]}\n\n"
                    "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
  auto const usage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\n";
  auto const left_open = [](std::string const& bytes) {
    ScriptedPeer peer([&](ScriptedConnection& connection, int) {
      connection.read_request();
      connection.send(bytes);
      connection.await_close();
    });
    auto const begun = std::chrono::steady_clock::now();
    auto result = ask(peer.url("/v1"), question());
    CHECK(std::chrono::steady_clock::now() - begun < std::chrono::seconds(3));
    return result;
  };
  SUBCASE("its end mark") {
    auto const result = left_open(said + usage + "data: [DONE]\n\n");
    CHECK(result.completion.text == "All is said.");
    CHECK(result.completion.usage.input == 3);
    CHECK(result.completion.oddities.has(Oddity::left_open));
  }
  SUBCASE("its finish reason, and nothing more for a short while") {
    CHECK(left_open(said).completion.text == "All is said.");
  }
  SUBCASE("comments behind the finish reason do not lengthen it") {
    ScriptedPeer peer([&](ScriptedConnection& connection, int) {
      connection.read_request();
      connection.send(said);
      for (auto i = 0; i < 150; ++i) {
        connection.send(": still here\n\n");
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
      }
    });
    CHECK(ask(peer.url("/v1"), question()).completion.text == "All is said.");
  }
  SUBCASE("a whole document") {
    auto const body = std::string(R"({"choices":[{"message":{"content":"All is said."},"finish_reason":"stop"}]})");
    CHECK(left_open(json_head + body).completion.text == "All is said.");
    CHECK(answered(json_head + body).completion.text == "All is said.");
    CHECK_FALSE(answered(json_head + body).completion.ttft);
  }
  SUBCASE("a connection that breaks behind it") {
    CHECK(answered("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + said.substr(std::strlen(stream_head)))
              .completion.text == "All is said.");
  }
  SUBCASE("an error whose body never ends") {
    CHECK(left_open("HTTP/1.1 429 No\r\n\r\n{").error == "rate_limited");
  }
}

TEST_CASE("an answer that falls silent is told from one that is long") {
  auto request = question();
  request.deadline = std::chrono::milliseconds(600);
  auto const piece = std::string("data: {\"choices\":[{\"delta\":{\"content\":\"One\"}}]}\n\n");
  auto const role = std::string("data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n");
  auto const failed = [&](std::string const& first, std::string const& then) {
    ScriptedPeer peer([&](ScriptedConnection& connection, int) {
      connection.read_request();
      connection.send(stream_head + first);
      for (auto i = 0; i < 100 && !then.empty(); ++i) {
        connection.send(then);
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
      }
      connection.await_close();
    });
    auto result = ask(peer.url("/v1"), request);
    REQUIRE(result.failure);
    CHECK(result.error == "timeout");
    return *result.failure;
  };
  SUBCASE("nothing behind the head") {
    CHECK(failed("", "").remains() == nullptr);
  }
  for (auto const& first : {": wait\n\n", role.c_str(), piece.c_str()}) {
    CAPTURE(first);
    auto const silent = failed(first, "");
    REQUIRE(silent.remains() != nullptr);
    CHECK(silent.remains()->oddities.has(Oddity::silent));
    auto const endless = failed(first, first);
    REQUIRE(endless.remains() != nullptr);
    CHECK(endless.remains()->oddities.has(Oddity::endless));
    CHECK_FALSE(endless.remains()->oddities.has(Oddity::silent));
  }
}

TEST_CASE("the connection of a usual stream is used again") {
  std::atomic<int> connections = 0;
  ScriptedPeer peer([&](ScriptedConnection& connection, int) {
    ++connections;
    for (auto request = connection.read_request(); !request.empty(); request = connection.read_request()) {
      connection.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
      std::string const events =
          "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
      connection.send(fmt::format("{:x}\r\n{}\r\n", events.size(), events));
      std::this_thread::sleep_for(std::chrono::milliseconds(5));  // the end comes a little later
      connection.send("0\r\n\r\n");
    }
  });
  boost::asio::io_context context;
  http::Client client(context);
  OpenAiClient model(client, {peer.url("/v1"), "", 100'000, "max_tokens"});
  for (auto i = 0; i < 3; ++i) {
    auto ended = false;
    boost::asio::co_spawn(context, model.complete(question(), {}),
                          [&](std::exception_ptr error, ChatCompletion const& completion) {
                            ended = true;
                            CHECK_FALSE(error);
                            CHECK(completion.text == "Hi");
                          });
    while (!ended) context.run_one();
  }
  CHECK(connections == 1);
}

TEST_CASE("the bytes tell what an answer is, and not the label") {
  auto const events = "data: {\"choices\":[{\"delta\":{\"content\":\"Labelled.\"},\"finish_reason\":\"stop\"}]}\n\n";
  auto const document = R"({"choices":[{"message":{"content":"Labelled."}}]})";
  for (std::string const label : {"application/json", "text/event-stream", "text/plain", "application/x-ndjson", ""}) {
    CAPTURE(label);
    auto const head = "HTTP/1.1 200 OK\r\n" + (label.empty() ? "" : "Content-Type: " + label + "\r\n") + "\r\n";
    for (auto const stream : {true, false}) {
      CHECK(answered(head + events, stream).completion.text == "Labelled.");
      CHECK(answered(head + document, stream).completion.text == "Labelled.");
    }
  }
  CHECK(answered(std::string(json_head) + events).completion.oddities.has(Oddity::label));
}

TEST_CASE("what came of an answer that is none is told with the error") {
  auto const none =
      answered(std::string(stream_head) +
               "data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\"},\"finish_reason\":\"length\"}],"
               "\"usage\":{\"prompt_tokens\":20,\"completion_tokens\":512}}\n\ndata: [DONE]\n\n");
  CHECK(none.error == "no_words");
  CHECK_FALSE(none.failure->retriable());
  REQUIRE(none.failure->remains() != nullptr);
  CHECK(none.failure->remains()->usage.output == 512);
  CHECK(none.failure->remains()->finish_reason == "length");
  auto const large =
      answered(std::string(stream_head) + "data: {\"choices\":[{\"delta\":{\"content\":\"half\"}}]}\n\n" +
               std::string(200'000, ':'));
  REQUIRE(large.failure->remains() != nullptr);
  CHECK(large.failure->remains()->oddities.has(Oddity::too_large));
  CHECK(large.failure->remains()->usage.estimated);
  CHECK(answered("HTTP/1.1 500 No\r\n\r\n").failure->remains() == nullptr);
}

TEST_CASE("the deadline covers the whole answer") {
  ScriptedPeer peer([](ScriptedConnection& connection, int) {
    connection.read_request();
    connection.send(stream_head);
    for (auto i = 0; i < 200; ++i) {
      connection.send(": still here\n\n");
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  });
  auto request = question();
  request.deadline = std::chrono::milliseconds(60);
  CHECK(ask(peer.url("/v1"), std::move(request)).error == "timeout");
}

TEST_CASE("a request that finds no connection free within its deadline was not sent") {
  ScriptedPeer peer([](ScriptedConnection& connection, int) {
    connection.read_request();
    connection.await_close();
  });
  boost::asio::io_context context;
  http::HttpClientSettings settings;
  settings.max_connections_per_host = 1;
  http::Client client(context, settings);
  OpenAiClient model(client, {peer.url("/v1"), "key-1", 100'000, "max_completion_tokens"});
  std::vector<bool> sent;
  for (auto const deadline : {400, 200}) {  // the second one waits for the first one's connection
    auto request = question();
    request.deadline = std::chrono::milliseconds(deadline);
    boost::asio::co_spawn(context, model.complete(std::move(request), {}),
                          [&](std::exception_ptr error, ChatCompletion const&) {
                            try {
                              if (error) std::rethrow_exception(error);
                            } catch (LlmError const& failure) {
                              CHECK(failure.kind() == LlmError::Kind::timeout);
                              sent.push_back(failure.sent());
                            }
                          });
  }
  while (sent.size() < 2) context.run_one();
  CHECK(sent == std::vector<bool>{false, true});
}

TEST_CASE("an address that is none is refused, and the setting named") {
  boost::asio::io_context context;
  http::Client client(context);
  CHECK_THROWS_WITH(OpenAiClient(client, {"api.example.com", "", 1, ""}), "not an http(s) address: set LLM_BASE_URL");
}

}  // namespace omnibus::llm
