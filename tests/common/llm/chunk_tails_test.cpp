#include "llm/chunk_tails.hpp"

#include <random>
#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace omnibus::llm;

namespace {

std::string describe(Chunk const& chunk) {
  auto text = chunk.id + "|" + chunk.model + "|" + chunk.text + "|" + chunk.refusal + "|" + chunk.finish_reason + "|" +
              std::string(chunk.words) + "|" + std::to_string(chunk.front);
  for (auto const& call : chunk.calls) text += "|" + call.id + call.name + call.arguments;
  if (chunk.usage) text += "|" + std::to_string(chunk.usage->input.value_or(-1));
  for (auto const flag : {chunk.has_choice, chunk.is_whole, chunk.is_error}) text += flag ? '1' : '0';
  return text;
}

/// What a tail is read as by those that know another one.
std::string taken(std::string_view known, std::string_view text) {
  ChunkTails tails;
  Chunk chunk;
  auto const document = R"({"id":"a","choices":)" + std::string(known);
  REQUIRE(read_chunk(document, chunk, {}, &tails));
  chunk.clear();
  auto const rest = tails.take(text, chunk);
  if (!rest) return describe(chunk) == describe(Chunk{}) ? "nothing" : "traces";
  return chunk.text + "|" + chunk.finish_reason + "|" + std::string(*rest);
}

}  // namespace

TEST_CASE("a tail that differs in its words alone is taken, and no other") {
  constexpr std::string_view known = R"([{"delta":{"content":"b"},"finish_reason":null}]})";
  CHECK(taken(known, known) == "b||");
  CHECK(taken(known, R"([{"delta":{"content":""},"finish_reason":null}]} {"x)") == R"(|| {"x)");
  CHECK(taken(known, R"([{"delta":{"content":"a \"\u00e4"},"finish_reason":null}]})") == "a \"ä||");
  for (std::string_view const other : {
           R"([{"delta":{"content":"b"},"finish_reason":"stop"}]})",  // another value
           R"([{"delta":{"content":null},"finish_reason":null}]})",
           R"([{"delta":{"content":"b","refusal":"c"},"finish_reason":null}]})",
           R"([{"delta":{"content":"\u12"},"finish_reason":null}]})",  // broken
           R"([{"delta":{"content":"b"},"finish_reason":null}])",      // cut off
           R"([{"delta":{"content":"b)",
           "",
       })
    CHECK(taken(known, other) == "nothing");
}

TEST_CASE("an ending without words is learned as well") {
  constexpr std::string_view known = R"([{"delta":{},"finish_reason":"length"}],"usage":null})";
  CHECK(taken(known, known) == "|length|");
  CHECK(taken(known, R"([{"delta":{},"finish_reason":"stop"}],"usage":null})") == "nothing");
}

TEST_CASE("where tails never repeat few chunks are tried, and one that repeats again is found before long") {
  ChunkTails tails;
  auto const document = [](std::string const& behind) {
    return R"({"id":"a","choices":[{"delta":{"content":"b"}}],"obfuscation":")" + behind + R"("})";
  };
  auto const read = [&](std::string const& behind) {
    Chunk chunk;
    REQUIRE(read_chunk(document(behind), chunk, {}, &tails));
    CHECK(chunk.text == "b");
  };
  auto const is_tried = [&](std::string const& behind) {
    auto as_now = tails;
    Chunk chunk;
    auto const text = document(behind);
    return as_now.take(std::string_view(text).substr(text.find('[')), chunk).has_value();
  };
  read("always");
  CHECK(is_tried("always"));
  for (int i = 0; i < 40; ++i) read(std::to_string(i));
  CHECK_FALSE(is_tried("39"));  // neither learned nor compared
  auto reads = 0;
  for (; !is_tried("always"); ++reads) {
    REQUIRE(reads < 64);
    read("always");
  }
  CHECK(reads > 1);
}

TEST_CASE("nothing is learned from a tail that says more than words and the ending") {
  for (std::string_view const known : {
           R"([],"usage":{"prompt_tokens":1,"completion_tokens":2}})",
           R"([{"delta":{"content":"b","refusal":"c"}}]})",
           R"([{"delta":{"content":[{"type":"text","text":"b"}]}}]})",
           R"([{"delta":{"tool_calls":[{"function":{"name":"f"}}]}}]})",
           R"([{"message":{"content":"b"}}]})",
           R"([{"text":"b"}]})",
           R"([],"error":{"message":"b"}})",
           R"([{"delta":{"content":"b"}}],"id":"later"})",
       })
    CHECK(taken(known, known) == "nothing");
}

TEST_CASE("a chunk read by what others had in common says the same as one read alone") {
  std::vector<std::string> const fronts{R"("id":"a",)",         R"("id":"b","model":"m",)",
                                        R"("object":"error",)", R"("object":"chunk","created":1,)",
                                        R"("usage":null,)",     ""};
  std::vector<std::string> const choices{R"([{"delta":{"content":"x"},"finish_reason":null}])",
                                         R"([{"delta":{"content":"y \" \\"},"finish_reason":null}])",
                                         R"([{"delta":{"content":""},"finish_reason":null}])",
                                         R"([{"delta":{},"finish_reason":"stop"}])",
                                         R"([{"delta":{"content":"x"},"finish_reason":"stop"}])",
                                         R"([{"delta":{"content":"x","content":"z"}}])",
                                         R"([{"delta":{"content":"x"}},{"delta":{"content":"other"}}])",
                                         R"([{"text":"t"}])",
                                         R"([{"text":""}])",
                                         R"([{"message":{"content":"m"}}])",
                                         R"([{"delta":{"content":"\ud83d"}}])",
                                         R"([{"delta":{"content":"\u12"}}])",
                                         R"([])",
                                         R"(null)",
                                         R"({"delta":{"content":"x"}})"};
  std::vector<std::string> const ends{"}",
                                      R"(,"usage":null})",
                                      R"(,"usage":{"prompt_tokens":3}})",
                                      R"(,"message":"x"})",
                                      R"(,"type":"error"})",
                                      R"(,"choices":[]})",
                                      R"(,"error":{}})",
                                      "",
                                      "} {}"};
  std::mt19937 random{5};
  auto const one_of = [&](std::vector<std::string> const& texts) {
    return texts[std::uniform_int_distribution<std::size_t>{0, texts.size() - 1}(random)];
  };
  ChunkTails tails;
  std::string front;
  auto taken_by_tail = 0;
  for (auto round = 0; round < 20'000; ++round) {
    auto const document = "{" + one_of(fronts) + "\"choices\":" + one_of(choices) + one_of(ends);
    CAPTURE(document);
    CAPTURE(front);
    Chunk alone;
    Chunk chunk;
    auto const known = document.starts_with(front) ? front : "";
    auto const rest_alone = read_chunk(document, alone, known);
    auto const rest = read_chunk(document, chunk, known, &tails);
    REQUIRE(rest == rest_alone);
    if (!rest) continue;
    REQUIRE(describe(chunk) == describe(alone));
    front = document.substr(0, chunk.front);
    Chunk seen;
    if (chunk.front > 0 && tails.take(std::string_view(document).substr(chunk.front), seen)) ++taken_by_tail;
  }
  CHECK(taken_by_tail > 1'000);
}
