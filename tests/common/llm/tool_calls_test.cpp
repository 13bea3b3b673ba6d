// Tool calls, with the mistakes that servers make in them.
#include "llm/tool_calls.hpp"

#include "tests/common/llm/read_answer.hpp"

#include <set>
#include <string>

#include <doctest/doctest.h>

using namespace omnibus::llm;
using namespace omnibus::llm::test;

namespace {

/// The calls of an answer whose deltas have these pieces.
ReadAnswer called(std::vector<std::string> const& pieces) {
  std::string chunks;
  for (auto const& piece : pieces) chunks += delta("{\"tool_calls\":[" + piece + "]}");
  return read_answer(stream(chunks, "tool_calls"));
}

/// Name and arguments of each, separated by spaces.
std::string names(ReadAnswer const& read) {
  std::string all;
  for (auto const& call : read.completion.tool_calls) {
    if (!all.empty()) all += ' ';
    all += call.name + call.arguments;
  }
  return all;
}

}  // namespace

TEST_CASE("pieces are put together by their index") {
  auto const read = called({R"({"index":0,"id":"a","function":{"name":"f","arguments":""}})",
                            R"({"index":1,"id":"b","function":{"name":"g","arguments":"{"}})",
                            R"({"index":0,"function":{"arguments":"{\"x\":"}})",
                            R"({"index":0,"function":{"arguments":"1}"}},{"index":1,"function":{"arguments":"}"}})"});
  CHECK(names(read) == R"(f{"x":1} g{})");
  CHECK(read.completion.tool_calls[0].id == "a");
  CHECK(read.completion.tool_calls[1].id == "b");
  CHECK(read.oddities.none());
}

TEST_CASE("any index may be the first, and gaps mean nothing") {
  CHECK(names(called({R"({"index":1,"id":"a","function":{"name":"f","arguments":""}})",
                      R"({"index":1,"function":{"arguments":"{\"p\": \"2"}})",
                      R"({"index":1,"function":{"arguments":"50k\"}"}})"})) == R"(f{"p": "250k"})");
  CHECK(names(called({R"({"index":7000000,"id":"a","function":{"name":"f","arguments":"{}"}})",
                      R"({"index":"3","id":"b","function":{"name":"g","arguments":"{\"a\":"}})",
                      R"({"index":3.0,"function":{"arguments":"1}"}})",
                      R"({"index":-1,"id":"c","function":{"name":"h"}})"})) == R"(f{} g{"a":1} h{})");
}

TEST_CASE("a new id begins a new call, whatever the index; the same id goes on with its call") {
  CHECK(names(called({R"({"index":0,"id":"a","function":{"name":"f","arguments":"{\"a\":1}"}})",
                      R"({"index":0,"id":"b","function":{"name":"g","arguments":"{\"b\":"}})",
                      R"({"index":0,"function":{"arguments":"2}"}})"})) == R"(f{"a":1} g{"b":2})");
  CHECK(names(called({R"({"id":"a","function":{"name":"f","arguments":"{\"a\":"}})",
                      R"({"id":"b","function":{"name":"g","arguments":"{}"}})",
                      R"({"id":"a","function":{"arguments":"1}"}})"})) == R"(f{"a":1} g{})");
  CHECK(names(called({R"({"index":0,"id":7,"function":{"name":"f","arguments":"{\"a\":"}})",
                      R"({"id":7,"function":{"arguments":"1}"}})"})) == R"(f{"a":1})");
}

TEST_CASE("a name in every piece is taken once") {
  auto const piece = [](std::string const& arguments) {
    return R"({"index":0,"id":"a","type":"function","function":{"name":"f","arguments":")" + arguments + "\"}}";
  };
  CHECK(names(called({piece(""), piece(R"({\"p\": )"), piece("1}")})) == R"(f{"p": 1})");
  CHECK(names(called({piece(R"({\"p\": 1})"), piece(R"({\"p\": 1})")})) == R"(f{"p": 1})");  // all of it again
}

TEST_CASE("calls without an id, or with an empty one, get ids of their own") {
  auto const one = called({R"({"index":0,"type":"function","function":{"name":"f","arguments":"{}"}})"});
  REQUIRE(one.completion.tool_calls.size() == 1);
  CHECK(one.completion.tool_calls[0].id.size() == 9);
  CHECK(one.oddities.has(Oddity::call_id));
  auto const two = called({R"({"id":"","function":{"name":"f","arguments":"{\"a\":1}"}})",
                           R"({"id":"","function":{"name":"g","arguments":"{\"b\":2}"}})"});
  CHECK(names(two) == R"(f{"a":1} g{"b":2})");
  CHECK(two.completion.tool_calls[0].id != two.completion.tool_calls[1].id);
  CHECK(names(called({R"({"function":{"name":"f","arguments":"{\"a\":1}"}})",
                      R"({"function":{"name":"f","arguments":"{\"a\":2}"}})",
                      R"({"function":{"name":"f","arguments":"{\"a\""}})",
                      R"({"function":{"name":"f","arguments":":3}"}})"})) == R"(f{"a":1} f{"a":2} f{"a":3})");
  // Ids that one server gives to all calls.
  auto const same = called({R"({"index":0,"id":"call","function":{"name":"f","arguments":"{}"}})",
                            R"({"index":1,"id":"call","function":{"name":"g","arguments":"{}"}})"});
  CHECK(names(same) == "f{} g{}");
  CHECK(same.completion.tool_calls[0].id != same.completion.tool_calls[1].id);
}

TEST_CASE("ids that are alike once they are mended stay two") {
  auto const read = called({R"({"id":"a","function":{"name":"f"}})", R"({"id":"a\u0000","function":{"name":"f"}})",
                            R"({"id":"\u0000a","function":{"name":"g"}})"});
  REQUIRE(read.completion.tool_calls.size() == 3);
  std::set<std::string> ids;
  for (auto const& call : read.completion.tool_calls) CHECK(ids.insert(call.id).second);
  CHECK(ids.contains("a"));
  CHECK(read.oddities.has(Oddity::call_id));
}

TEST_CASE("made-up ids differ from round to round of one prompt") {
  ToolCallAssembler calls;
  calls.take({0, "", "f", "{}", false});
  Oddities oddities;
  CHECK(calls.finish(2, oddities)[0].id != calls.finish(4, oddities)[0].id);
}

TEST_CASE("arguments come as an object, as an old function call, or without the level between") {
  CHECK(names(called({R"({"index":0,"id":"a","function":{"name":"f","arguments":{"c": {"p":"250k"}}}})"})) ==
        R"(f{"c": {"p":"250k"}})");
  CHECK(names(called({R"({"name":"f","arguments":{"a":1}})"})) == R"(f{"a":1})");
  auto const old = read_answer(stream(delta(R"({"function_call":{"name":"f","arguments":"{\"a\""}})") +
                                          delta(R"({"function_call":{"arguments":":1}"}})"),
                                      "function_call"));
  CHECK(names(old) == R"(f{"a":1})");
  CHECK(old.completion.finish_reason == "tool_calls");
  CHECK(names(read_answer(stream(delta(R"({"tool_calls":{"id":"a","function":{"name":"f","arguments":{}}}})")))) ==
        "f{}");
}

TEST_CASE("arguments are made readable, or marked") {
  auto const readable = [](std::string_view text) {
    Oddities oddities;
    auto const result = readable_arguments(text, oddities);
    return oddities.has(Oddity::tool_arguments) ? "marked: " + result : result;
  };
  CHECK(readable(R"({"a": 1})") == R"({"a": 1})");
  CHECK(readable("") == "{}");
  CHECK(readable(" \n") == "{}");
  CHECK(readable(R"({}{"a":1})") == R"({"a":1})");
  CHECK(readable(R"({"a":1}{"a":1})") == R"({"a":1})");
  CHECK(readable(R"("{\"a\":1}")") == R"({"a":1})");
  CHECK(readable(R"({"a":"\ud83d"})") == "{\"a\":\"\xEF\xBF\xBD\"}");
  CHECK(readable(R"({"a":"\ud83d\ude00 \u0000"})") == "{\"a\":\"😀 \"}");
  CHECK(readable("{\"a\":\"\xED\xA0\xBD\xED\xB8\x80\"}") == "{\"a\":\"😀\"}");
  CHECK(readable("{\"a\":\"two\nlines\"}") == R"({"a":"two\nlines"})");
  CHECK(readable("set the price") == "marked: set the price");
  CHECK(readable(R"({"a":)") == R"(marked: {"a":)");
  CHECK(readable("[1]") == "marked: [1]");
  CHECK(readable(R"({"a":NaN})") == R"(marked: {"a":NaN})");
  std::string const deep(100'000, '[');
  CHECK(readable("{\"a\":" + deep).starts_with("marked"));
}

TEST_CASE("a call without a name is none") {
  CHECK(called({R"({"index":0,"id":"a","function":{"arguments":"{}"}})"}).error == "no_words");
}
