/// Reads a body as the client does, without a connection.
#pragma once

#include "llm/answer_reader.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace omnibus::llm::test {

/// What a body was read as.
struct ReadAnswer {
  ChatCompletion completion;
  std::string error;  ///< the kind; empty for an answer
  Oddities oddities;
  Usage paid;  ///< also of what is no answer
  std::vector<std::string> pieces;
  bool had_ended = false;  ///< before the end of the body

  std::string const& text() const { return completion.text; }
  std::string said() const {
    std::string all;
    for (auto const& piece : pieces) all += piece;
    return all;
  }
  /// Everything that must not depend on how the bytes are cut.
  std::string summary() const {
    auto all = error + "|" + completion.text + "|" + completion.finish_reason + "|" + completion.model + "|" +
               completion.response_id + "|" + std::to_string(paid.input) + "|" + std::to_string(paid.output) + "|" +
               std::to_string(paid.cached) + "|" + std::to_string(paid.reasoning) +
               (paid.estimated ? "|estimated" : "");
    for (auto const& call : completion.tool_calls) all += "|" + call.id + " " + call.name + " " + call.arguments;
    oddities.each([&](Oddity oddity) { all.append("|").append(to_string(oddity)); });
    return all;
  }
};

inline constexpr std::int64_t estimated_prompt = 1000;

/// Gives the body in pieces that end at these places.
inline ReadAnswer read_answer(std::string_view body, std::vector<std::size_t> const& cuts,
                              std::size_t max_frame_bytes = 1024 * 1024) {
  ReadAnswer read;
  AnswerReader reader(estimated_prompt, 2, max_frame_bytes,
                      [&](std::string_view piece) { read.pieces.emplace_back(piece); });
  try {
    std::size_t at = 0;
    auto goes_on = true;
    for (auto const cut : cuts) {
      goes_on = goes_on && reader.take(body.substr(at, cut - at));
      at = cut;
    }
    if (goes_on) reader.take(body.substr(at));
    read.had_ended = reader.has_ended();
    read.completion = reader.finish();
    read.oddities = read.completion.oddities;
    read.paid = read.completion.usage;
  } catch (LlmError const& error) {
    read.error = to_string(error.kind());
    if (auto const* const remains = error.remains()) {
      read.oddities = remains->oddities;
      read.paid = remains->usage;
    }
  }
  return read;
}

/// Gives the body in pieces of this size.
inline ReadAnswer read_answer(std::string_view body, std::size_t size = std::string_view::npos) {
  std::vector<std::size_t> cuts;
  for (auto at = size; at < body.size(); at += std::min(size, body.size() - at)) cuts.push_back(at);
  return read_answer(body, cuts);
}

/// An event with this document.
inline std::string event(std::string_view json) {
  return "data: " + std::string(json) + "\n\n";
}
/// A chunk with this delta, which is JSON, and this finish reason.
inline std::string delta(std::string_view json, std::string_view finish_reason = {}) {
  auto const reason = finish_reason.empty() ? std::string("null") : "\"" + std::string(finish_reason) + "\"";
  return event(R"({"id":"chatcmpl-1","object":"chat.completion.chunk","created":1764400000,"model":"m-1","choices":)"
               R"([{"index":0,"delta":)" +
               std::string(json) + R"(,"finish_reason":)" + reason + "}]}");
}
/// A chunk with a piece of text, which is JSON.
inline std::string words(std::string_view json) {
  return delta("{\"content\":" + std::string(json) + "}");
}
inline std::string const usual_usage =
    event(R"({"id":"chatcmpl-1","choices":[],"usage":{"prompt_tokens":20,"completion_tokens":5,"total_tokens":25}})");
inline std::string const done_mark = "data: [DONE]\n\n";

/// These chunks between the first and the last ones of a usual stream.
inline std::string stream(std::string const& chunks, std::string_view finish_reason = "stop") {
  return delta(R"({"role":"assistant","content":""})") + chunks + delta("{}", finish_reason) + usual_usage + done_mark;
}

}  // namespace omnibus::llm::test
