// What holds for every answer, tried with random ones: the seed is fixed, so that a failure is found again.
#include "json/encode.hpp"
#include "json/repair.hpp"
#include "json/utf8.hpp"
#include "llm/thought_filter.hpp"
#include "tests/common/llm/read_answer.hpp"
#include "text/words.hpp"

#include <random>
#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace omnibus::llm;
using namespace omnibus::llm::test;

namespace {

using Random = std::mt19937;

std::size_t below(Random& random, std::size_t end) {
  return std::uniform_int_distribution<std::size_t>{0, end - 1}(random);
}

template <class T>
T const& one_of(Random& random, std::vector<T> const& things) {
  return things[below(random, things.size())];
}

std::string quoted(std::string_view text) {
  std::string out;
  omnibus::json::append_string(out, text);
  return out;
}

/// An answer in any of the ways in which servers are known to answer, or broken.
std::string random_body(Random& random) {
  static std::vector<std::string> const pieces{
      words(R"("Hello ")"),
      words(R"("\ud83d")"),
      words(R"("\ude00")"),
      words("\"\xF0\x9F\""),
      words("\"\x98\x80\""),
      words(R"("<think>")"),
      words(R"("</think>")"),
      words(R"("<thi")"),
      words(R"([{"type":"text","text":"part"}])"),
      words("null"),
      words("\"\""),
      delta(R"({"reasoning_content":"hm"})"),
      delta("{}", "stop"),
      delta("{}", "length"),
      delta(R"({"tool_calls":[{"index":1,"id":"a","function":{"name":"f","arguments":"{\"a\":"}}]})"),
      delta(R"({"tool_calls":[{"index":1,"function":{"arguments":"1}"}}]})"),
      delta(R"({"tool_calls":[{"id":"","function":{"name":"g","arguments":{"b":2}}}]})"),
      usual_usage,
      done_mark,
      "data: [DONE] ",
      ": comment\n\n",
      "event: error\n",
      "data: {\"error\":{\"message\":\"x\"}}\n\n",
      "\r\n",
      "\n",
      "\r",
      R"({"choices":[{"message":{"content":"Whole."},"finish_reason":"stop"}]})",
      "data: {",
      "[",
      "<html>",
      "data: keep\n\n"};
  std::string body;
  for (auto left = 1 + below(random, 12); left > 0; --left) body += one_of(random, pieces);
  return body;
}

/// The members that a chunk has and an answer does not need.
std::vector<std::string> const unneeded{"id",           "object", "created", "model",    "system_fingerprint",
                                        "service_tier", "usage",  "index",   "logprobs", "role",
                                        "refusal",      "type"};
std::vector<std::string> const other_values{
    "null",        "true", "-1", "1e400", "NaN",         "\"\"",     "\"text\"",
    "\"\\ud83d\"", "[]",   "{}", "[{}]",  "{\"a\":[1]}", "[[[[]]]]", "123456789012345678901"};

/// Members in any order, with one of them removed, retyped or doubled.
struct Changed {
  Random& random;
  std::string field;
  std::string value;
  int change;  ///< 0 removed, 1 retyped, 2 doubled

  std::string object(std::vector<std::pair<std::string, std::string>> members) const {
    std::shuffle(members.begin(), members.end(), random);
    std::string out = "{";
    auto const add = [&](std::string const& name, std::string const& json) {
      if (out.size() > 1) out += ',';
      out += quoted(name) + ":" + json;
    };
    for (auto const& [name, json] : members) {
      if (name != field) {
        add(name, json);
        continue;
      }
      if (change == 1) add(name, value);
      if (change == 2) {
        add(name, json);
        add(name, value);
      }
    }
    return out + "}";
  }
  std::string chunk(std::vector<std::pair<std::string, std::string>> const& members, std::string const& reason) const {
    auto const choice =
        object({{"index", "0"}, {"delta", object(members)}, {"logprobs", "null"}, {"finish_reason", reason}});
    return event(object({{"id", "\"c\""},
                         {"object", "\"chat.completion.chunk\""},
                         {"created", "1"},
                         {"model", "\"m\""},
                         {"system_fingerprint", "\"fp\""},
                         {"service_tier", "null"},
                         {"usage", "null"},
                         {"choices", "[" + choice + "]"}}));
  }
};

}  // namespace

TEST_CASE("an answer does not depend on how its bytes are cut") {
  Random random{20261129};
  for (auto round = 0; round < 400; ++round) {
    auto const body = random_body(random);
    CAPTURE(body);
    auto const whole = read_answer(body).summary();
    for (auto const size : {1U, 2U, 3U, 7U, 64U}) CHECK(read_answer(body, size).summary() == whole);
    std::vector<std::size_t> cuts;
    for (std::size_t at = 0; (at += 1 + below(random, 40)) < body.size();) cuts.push_back(at);
    CHECK(read_answer(body, cuts).summary() == whole);
  }
}

TEST_CASE("any one field that an answer does not need may be missing, of another type, or doubled") {
  Random random{8};
  for (auto const& field : unneeded) {
    for (auto change = 0; change < 3; ++change) {
      for (auto const& value : other_values) {
        Changed const changed{random, field, value, change};
        auto const body = changed.chunk({{"role", "\"assistant\""}, {"content", "\"\""}, {"refusal", "null"}}, "null") +
                          changed.chunk({{"role", "null"}, {"content", "\"It is \""}}, "null") +
                          changed.chunk({{"content", "\"here.\""}, {"refusal", "null"}}, "\"stop\"") + done_mark;
        CAPTURE(body);
        auto const read = read_answer(body);
        CHECK(read.error.empty());
        CHECK(read.text() == "It is here.");
      }
    }
  }
}

TEST_CASE("any text is answered, in any place, and what is said is well-formed") {
  static std::vector<std::string> const pieces{
      "a",  " ",        "<",    "<think>",      "</think>",     "é",
      "😀",  "\xF0\x9F", "\xFF", "\xED\xA0\xBD", "\xED\xB8\x80", std::string(1, '\0'),
      "\n", "\"",       "\\",   "[DONE]",       "data: ",       "{",
      "}"};
  Random random{15};
  for (auto round = 0; round < 2'000; ++round) {
    std::string text = "w";
    for (auto left = below(random, 12); left > 0; --left) text += one_of(random, pieces);
    std::string chunks;
    std::string_view rest = text;
    while (!rest.empty()) {
      auto const piece = rest.substr(0, 1 + below(random, rest.size()));
      rest.remove_prefix(piece.size());
      std::string json = "\"";
      for (auto const c : piece) {
        if (static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\') {
          json += "\\u00";
          json += "0123456789abcdef"[static_cast<unsigned char>(c) / 16];
          json += "0123456789abcdef"[static_cast<unsigned char>(c) % 16];
        } else {
          json += c;
        }
      }
      chunks += words(json + "\"");
    }
    auto const read = read_answer(stream(chunks));
    CAPTURE(text);
    auto const said = omnibus::json::repaired_text(text);
    auto const answer = words_behind_thought(said);
    CHECK(read.error == (omnibus::has_words(answer) ? "" : "no_words"));
    CHECK(read.said() == said);
    if (read.error.empty()) CHECK(read.text() == answer);
    CHECK(omnibus::json::is_utf8(read.text()));
  }
}
