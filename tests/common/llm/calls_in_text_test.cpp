// Tool calls that servers leave in the text, as public reports have them.
#include "llm/calls_in_text.hpp"

#include <string>

#include <doctest/doctest.h>

using namespace omnibus::llm;

namespace {

ChatRequest request_with_tools() {
  ChatRequest request;
  request.messages = {{"user", "Change price to 250k"}};
  request.tools = {{"keep", {}, {}}, {"close", {}, {}}};
  return request;
}

ChatCompletion taken(std::string text, ChatRequest const& request = request_with_tools()) {
  ChatCompletion completion;
  completion.text = std::move(text);
  completion.finish_reason = "stop";
  take_calls_in_text(completion, OfferedTools(request), request.messages.size());
  return completion;
}

/// Text, calls and ending of a text.
std::string read(std::string text) {
  auto const completion = taken(std::move(text));
  auto all = completion.text + "|";
  for (auto const& call : completion.tool_calls) all += call.name + call.arguments;
  return all + "|" + completion.finish_reason;
}

}  // namespace

TEST_CASE("a text of tool calls is those calls") {
  // vLLM and Ollama without a tool parser.
  CHECK(read("<tool_call>\n{\"name\": \"keep\", \"arguments\": {\"a\": 1}}\n</tool_call>") ==
        R"(|keep{"a": 1}|tool_calls)");
  CHECK(read("\n\n<tool_call>{\"name\":\"keep\",\"arguments\":{}}</tool_call>\n<tool_call>{\"name\":\"close\"}"
             "</tool_call>\n") == "|keep{}close{}|tool_calls");
  // Several in one block, arguments as text or called parameters, the last tag cut off.
  CHECK(read(R"(<tool_call>{"name":"keep","arguments":"{\"a\":1}"} {"name":"close","parameters":{"b":2}})") ==
        R"(|keep{"a":1}close{"b":2}|tool_calls)");
  // Qwen2.5-Coder on Ollama, Llama 3.1: nothing but the objects.
  CHECK(read("{\"name\": \"keep\", \"arguments\": {\"a\": 1}}\n{\"name\": \"close\"}\n") ==
        R"(|keep{"a": 1}close{}|tool_calls)");
  auto const completion = taken(R"({"name":"keep"} {"name":"keep"})");
  REQUIRE(completion.tool_calls.size() == 2);
  CHECK(completion.tool_calls[0].id != completion.tool_calls[1].id);
  CHECK_FALSE(completion.tool_calls[0].id.empty());
  CHECK(completion.oddities.has(Oddity::call_in_text));
}

TEST_CASE("markup of calls never reaches people, and their words do") {
  auto const call = std::string(R"(<tool_call>{"name":"keep","arguments":{}}</tool_call>)");
  CHECK(read("Let me see. " + call) == "Let me see.|keep{}|tool_calls");
  CHECK(read("Let me see." + call + "\nDone.") == "Let me see.\nDone.|keep{}|tool_calls");
  CHECK(read("Done.<tool_call>") == "Done.||stop");
  for (auto const* const broken :
       {"", "{", "{\"name\":\"keep\",\"arguments\":{", "{\"name\":\"unknown\",\"arguments\":{}}", "[1]", "null",
        "{\"name\":7}", "{\"name\":\"keep\",\"arguments\":[1]}", "{\"name\":\"keep\",\"arguments\":\"no\"}",
        "<function=keep>\n<parameter=a>\n1\n</parameter>\n</function>", "{\"name\":\"keep\"} and more"}) {
    CAPTURE(broken);
    CHECK(read("Done.\n<tool_call>\n" + std::string(broken) + "\n</tool_call>") == "Done.||stop");
    CHECK(read("<tool_call>" + std::string(broken)) == "||stop");
  }
}

TEST_CASE("what only looks like a call stays a text") {
  for (std::string const text :
       {"", "Your order is {\"name\":\"keep\"}.", "{\"name\":\"unknown\",\"arguments\":{}}", "{}", "[]",
        "{\"name\":\"keep\"} is what I did", "{\"name\":\"keep\",\"arguments\":[]}", "a <tool_ call>", " spaced "})
    CHECK(read(text) == text + "||stop");
}

TEST_CASE("calls in their own place are not doubled by those in the text") {
  ChatCompletion completion;
  completion.text = R"(<tool_call>{"name":"keep","arguments":{}}</tool_call>)";
  completion.tool_calls = {{"id", "close", "{}"}};
  completion.finish_reason = "tool_calls";
  take_calls_in_text(completion, OfferedTools(request_with_tools()), 1);
  CHECK(completion.text.empty());
  REQUIRE(completion.tool_calls.size() == 1);
  CHECK(completion.tool_calls[0].name == "close");
}

TEST_CASE("without tools a text stays as it is, and after a call it has none any more") {
  std::string const text = R"(<tool_call>{"name":"keep","arguments":{}}</tool_call>)";
  ChatRequest request;
  request.messages = {{"user", "How does Hermes write a call?"}};
  CHECK(taken(text, request).text == text);
  request.messages.push_back({"assistant", "", {{"id", "keep", "{}"}}});
  auto const last = taken("Done." + text, request);  // the round in which no tools are offered
  CHECK(last.text == "Done.");
  CHECK(last.tool_calls.empty());
}
