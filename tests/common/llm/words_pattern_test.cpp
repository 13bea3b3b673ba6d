#include "llm/words_pattern.hpp"

#include "tests/common/llm/read_answer.hpp"

#include <random>
#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace omnibus::llm;
using namespace omnibus::llm::test;

namespace {

constexpr std::size_t no_limit = 1'000'000;

/// A pattern that has learned from `data: {"a":"b","c":1}`.
WordsPattern learned(std::string_view event) {
  WordsPattern pattern;
  auto const frame = event.substr(event.find('{'), event.rfind('}') + 1 - event.find('{'));
  pattern.learn(event, frame, frame.substr(frame.find("\"b\""), 3));
  return pattern;
}

std::string taken(WordsPattern const& pattern, std::string_view bytes, std::size_t limit = no_limit) {
  auto const words = pattern.take(bytes, limit);
  return words ? std::string(*words) + "|" + std::string(bytes) : "nothing";
}

}  // namespace

TEST_CASE("an event that differs in its words alone is taken, and no other") {
  std::string_view const event = "data: {\"a\":\"b\",\"c\":1}\n\n";
  auto const pattern = learned(event);
  CHECK(taken(pattern, event) == "b|");
  CHECK(taken(pattern, "data: {\"a\":\"\",\"c\":1}\n\ndata: x") == "|data: x");
  CHECK(taken(pattern, "data: {\"a\":\"\xFF \xC3\xA4\t\",\"c\":1}\n\n") == "\xFF \xC3\xA4\t|");
  for (std::string_view const other : {
           "data: {\"a\":\"x\",\"c\":2}\n\n",       // another value
           "data: {\"a\":\"x\",\"c\":1}\n",         // not complete
           "data: {\"a\":\"x\",\"c\":1}\ndata: 1",  // another line of the same event
           "data: {\"a\":\"x\\n\",\"c\":1}\n\n",    // an escape
           "data: {\"a\":\"x\n\",\"c\":1}\n\n",     // a line break in the string ends the line
           "data: {\"a\":\"x\r\",\"c\":1}\n\n",     //
           "data:{\"a\":\"x\",\"c\":1}\n\n",        // another field
           "data: {\"a\":\"x",                      // cut off
           "",
       })
    CHECK(taken(pattern, other) == "nothing");
}

TEST_CASE("a line beyond its limit is not taken") {
  std::string_view const event = "data: {\"a\":\"b\",\"c\":1}\n\n";
  auto const line = event.size() - 2;
  CHECK(taken(learned(event), event, line) == "b|");
  CHECK(taken(learned(event), event, line - 1) == "nothing");
}

TEST_CASE("nothing is learned from an event of more than one line of data") {
  for (std::string_view const event :
       {"event: error\ndata: {\"a\":\"b\"}\n\n", "id: 1\ndata: {\"a\":\"b\"}\n\n", "data: {\"a\":\"b\"}\r\n\r",
        "data: {\"a\":\"b\"}\ndata: 1\n\n", "data:  {\"a\":\"b\"}\n\n"})
    CHECK(taken(learned(event), event) == "nothing");
}

TEST_CASE("what was learned outlives the bytes it was learned from") {
  std::string event = "data: {\"a\":\"b\",\"c\":1}\n\n";
  auto pattern = learned(event);
  pattern.keep();
  auto const same = event;
  event.assign(event.size(), 'x');
  CHECK(taken(pattern, same) == "b|");
  pattern.keep();
  CHECK(taken(pattern, same) == "b|");
  pattern.forget();
  CHECK(taken(pattern, same) == "nothing");
}

// One byte at a time no event is whole, and each is read in full.
TEST_CASE("events taken by their pattern and events read in full make the same answer") {
  std::vector<std::string> const pieces{
      words(R"("one ")"),
      words(R"("two ")"),
      words(R"("")"),
      words(R"("say \"x\" ")"),
      words(R"("a line\nand \u00e4 ")"),
      words("\"\xF0\x9F\""),
      words("\"\x98\x80\""),
      words("\"\xFF\""),
      words("\"" + std::string(1, '\0') + "\""),
      words(R"("<think>")"),
      words(R"("</think>")"),
      words("null"),
      words(R"([{"type":"text","text":"part"}])"),
      words(R"("three "})") + "",
      delta(R"({"content":"first","content":"second"})"),
      delta(R"({"content":"x","tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]})"),
      delta(R"({"content":"x","refusal":"no"})"),
      delta(R"({"content":"the end"})", "stop"),
      delta("{}", "stop"),
      event(R"({"model":"m-2","choices":[{"delta":{"content":"other model "}}]})"),
      event(R"({"model":"m-2","choices":[{"delta":{"content":"again "}}]})"),
      event(R"({"choices":[{"text":"old "}]})"),
      event(R"({"choices":[{"text":"older "}]})"),
      event(R"({"choices":[{"delta":{"content":"counted "}}],"usage":{"prompt_tokens":1,"completion_tokens":2}})"),
      event(R"({"choices":[{"delta":{"content":"counted "}}],"usage":{"prompt_tokens":3,"completion_tokens":4}})"),
      event(R"({"choices":[{"delta":{"content":"two"}}]}{"choices":[{"delta":{"content":" documents "}}]})"),
      event(R"([{"choices":[{"delta":{"content":"listed "}}]}])"),
      event(R"({"choices":[{"delta":{"content":"wrong"}}],"error":{"message":"x"}})"),
      "event: error\n",
      ": comment\n\n",
      "data: {\"choices\":[{\"delta\":{\"content\":\"returns \"}}]}\r\n\r\n",
      "data: {\"choices\":[{\"delta\":{\"content\":\"broken\n\n",
      "\n",
      usual_usage,
      done_mark};
  std::mt19937 random{16};
  auto const one = [&] { return pieces[std::uniform_int_distribution<std::size_t>{0, pieces.size() - 1}(random)]; };
  for (auto round = 0; round < 500; ++round) {
    std::string body = delta(R"({"role":"assistant","content":""})");
    std::vector<std::size_t> ends;
    for (auto left = 1 + random() % 10; left > 0; --left) {
      auto const piece = one();
      for (auto again = 1 + random() % 3; again > 0; --again) {
        body += piece;
        ends.push_back(body.size());
      }
    }
    if (random() % 2 == 0) body.append(delta("{}", "stop")).append(usual_usage).append(done_mark);
    CAPTURE(body);
    auto const in_full = read_answer(body, 1);
    CHECK(read_answer(body).summary() == in_full.summary());
    CHECK(read_answer(body, ends).summary() == in_full.summary());
    CHECK(read_answer(body, ends).said() == in_full.said());
    for (auto const limit : {60U, 130U, 140U, 150U}) {
      std::vector<std::size_t> bytes;
      for (std::size_t at = 1; at < body.size(); ++at) bytes.push_back(at);
      CHECK(read_answer(body, ends, limit).summary() == read_answer(body, bytes, limit).summary());
    }
  }
}
