#include "llm/answer_chunk.hpp"

#include <random>
#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace omnibus::llm;

namespace {

std::string describe(Chunk const& chunk) {
  auto text = chunk.text + "|" + chunk.refusal + "|" + chunk.finish_reason + "|" + std::string(chunk.words);
  for (auto const& call : chunk.calls) text += "|" + call.id + call.name + call.arguments;
  if (chunk.usage) text += "|" + std::to_string(chunk.usage->input.value_or(-1));
  for (auto const flag : {chunk.has_choice, chunk.is_whole, chunk.is_error}) text += flag ? '1' : '0';
  return text;
}

std::string name_after(std::string const& own, std::string const& before) {
  return own.empty() ? before : own;
}

}  // namespace

TEST_CASE("the front of a chunk is its names up to its choices") {
  std::string_view const text = R"({"id":"a","object":"x","created":1,"model":"m","choices":[{"delta":{}}]})";
  Chunk chunk;
  REQUIRE(read_chunk(text, chunk));
  CHECK(text.substr(0, chunk.front) == R"({"id":"a","object":"x","created":1,"model":"m","choices":)");
  for (std::string_view const other : {
           R"({"id":"a","usage":{"prompt_tokens":1},"choices":[]})",  // says something
           R"({"id":"a","error":"x","choices":[]})",                  //
           R"({"object":"error","choices":[]})",                      //
           R"({"choices":[],"model":"later"})",                       // the name may be another one
           R"({"id":"a"})",
       }) {
    REQUIRE(read_chunk(other, chunk));
    CHECK(chunk.front == 0);
  }
}

TEST_CASE("a chunk read behind a known front says the same as one read in full") {
  std::vector<std::string> const members{R"("id":"a")",
                                         R"("id":"b")",
                                         R"("model":"m")",
                                         R"("model":"n")",
                                         R"("object":"chunk")",
                                         R"("object":"error")",
                                         R"("created":1)",
                                         R"("message":"x")",
                                         R"("error":{"a":1})",
                                         R"("usage":{"prompt_tokens":3})",
                                         R"("\u006fbject":"error")",
                                         R"("choices":[])",
                                         R"("choices":[{"delta":{"content":"x"}}])",
                                         R"("choices":[{"delta":{"content":"y"},"finish_reason":"stop"}])",
                                         R"("choices":{"delta":{}})",
                                         R"("choices": [{"message":{"content":"z"}}])",
                                         R"("choices":null)",
                                         R"("choices":)",
                                         R"(x)"};
  std::mt19937 random{4};
  auto const below = [&](std::size_t end) { return std::uniform_int_distribution<std::size_t>{0, end - 1}(random); };
  auto fronts = 0;
  for (auto round = 0; round < 20'000; ++round) {
    auto const document = [&](std::vector<std::size_t> const& front) {
      std::string text = "{";
      for (auto const at : front) text += (text.size() > 1 ? "," : "") + members[at];
      for (auto left = 1 + below(3); left > 0; --left)
        text += (text.size() > 1 ? "," : "") + members[below(members.size())];
      return text + (below(20) == 0 ? "" : "}");
    };
    std::vector<std::size_t> front;
    for (auto left = below(3); left > 0; --left) front.push_back(below(members.size()));
    auto const first = document(front);
    auto const second = document(front);
    CAPTURE(first);
    CAPTURE(second);
    Chunk before, in_full, behind;
    if (!read_chunk(first, before)) continue;
    auto const known = std::string_view(first).substr(0, before.front);
    auto const rest = read_chunk(second, in_full);
    auto const rest_behind = read_chunk(second, behind, known);
    REQUIRE(rest == rest_behind);
    if (!rest) continue;
    CHECK(describe(behind) == describe(in_full));
    if (known.empty() || !second.starts_with(known)) {
      CHECK(behind.id == in_full.id);
      continue;
    }
    ++fronts;
    CHECK(name_after(behind.id, before.id) == name_after(in_full.id, before.id));
    CHECK(name_after(behind.model, before.model) == name_after(in_full.model, before.model));
  }
  CHECK(fronts > 1'000);
}
