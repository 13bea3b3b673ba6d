/// A simulator and our own client of models on one event loop.
#pragma once

#include "compose/simulator/simulator.hpp"
#include "llm/openai_client.hpp"

#include <chrono>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json.hpp>

namespace omnibus::simulator {

class SimulatorFixture {
 public:
  explicit SimulatorFixture(std::string_view faults = {}) : simulator(settings(faults)) { server.start(); }
  explicit SimulatorFixture(SimulatorSettings settings) : simulator(std::move(settings)) { server.start(); }

  std::string url(std::string const& path) { return "http://127.0.0.1:" + std::to_string(server.port()) + path; }

  http::Response fetch(std::string method, std::string const& path, std::string body = {}, http::Headers headers = {}) {
    http::ClientRequest request;
    request.method = std::move(method);
    request.url = http::parse_url(url(path)).value();
    request.headers = std::move(headers);
    request.body = std::move(body);
    request.deadline = std::chrono::seconds(5);
    http::Response response;
    run(client.fetch(request), [&](http::Response answer) { response = std::move(answer); });
    return response;
  }

  boost::json::object stats(std::string const& query = {}) {
    return boost::json::parse(fetch("GET", "/_simulator/stats" + query).body).as_object();
  }

  /// The completion. @throws LlmError
  llm::ChatCompletion complete(llm::ChatRequest request) {
    llm::OpenAiClient model(client, {url("/v1"), "", 100'000, "max_completion_tokens"});
    llm::ChatCompletion result;
    run(model.complete(std::move(request), [&](std::string_view piece) { streamed += piece; }),
        [&](llm::ChatCompletion completion) { result = std::move(completion); });
    return result;
  }

  static llm::ChatRequest question(std::string text, bool stream = true, std::vector<llm::Tool> tools = {},
                                   std::chrono::milliseconds deadline = std::chrono::seconds(5)) {
    llm::ChatRequest request;
    request.model = "omnibus-small";
    request.messages = {{"system", "be brief"}, {"user", std::move(text)}};
    request.stream = stream;
    request.tools = std::move(tools);
    request.deadline = deadline;
    return request;
  }

  /// The completion, or its error's kind as the finish reason.
  llm::ChatCompletion ask(std::string text, bool stream = true, std::vector<llm::Tool> tools = {},
                          std::chrono::milliseconds deadline = std::chrono::seconds(5)) {
    try {
      return complete(question(std::move(text), stream, std::move(tools), deadline));
    } catch (llm::LlmError const& failure) {
      llm::ChatCompletion none;
      none.finish_reason = to_string(failure.kind());
      return none;
    }
  }

  boost::asio::io_context context;
  Simulator simulator;
  http::Server server{context.get_executor(), {}, simulator.router()};
  http::Client client{context};
  std::string streamed;

 private:
  static SimulatorSettings settings(std::string_view faults) {
    SimulatorSettings settings;
    settings.context_tokens = 1000;
    settings.faults = parse_faults(faults);
    return settings;
  }

  template <class Result, class Take>
  void run(Task<Result> task, Take take) {
    auto ended = false;
    std::exception_ptr failure;
    boost::asio::co_spawn(context, std::move(task), [&](std::exception_ptr error, Result result) {
      ended = true;
      failure = error;
      if (!error) take(std::move(result));
    });
    while (!ended) context.run_one();
    if (failure) std::rethrow_exception(failure);
  }
};

}  // namespace omnibus::simulator
