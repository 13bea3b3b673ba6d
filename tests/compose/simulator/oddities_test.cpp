// Every oddity, asked for over HTTP by our own client: what it makes of an answer in words and of one with tool calls,
// streamed and whole.
#include "tests/compose/simulator/simulator_fixture.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

namespace omnibus::simulator {
namespace {

/// What must come of the four answers. Empty: what comes of the one before it.
struct Expected {
  std::string_view name;
  std::string_view words_streamed;
  std::string_view words_whole = {};
  std::string_view calls_streamed = {};
  std::string_view calls_whole = {};
};

constexpr std::string_view same = "same";

constexpr std::array expectations{
    // Frames.
    Expected{"answer-all-at-once", same},
    Expected{"stream-unasked", same},
    Expected{"stream-called-json", same},
    Expected{"no-empty-line-at-the-end", "same, usage estimated", same, "same, usage estimated", same},
    Expected{"open-after-done", same},
    Expected{"open-without-done", same},
    Expected{"no-done", same},
    Expected{"breaks-after-finish", same},
    Expected{"data-without-space", same},
    Expected{"crlf-lines", same},
    Expected{"cr-lines", same},
    Expected{"byte-order-mark", same},
    Expected{"keep-alive-comments", same},
    Expected{"keep-alive-as-data", same},
    Expected{"null-as-data", same},
    Expected{"empty-data", same},
    Expected{"ping-events", same},
    Expected{"byte-by-byte", same},
    Expected{"blank-lines-around", same},
    Expected{"gzip-unasked", "protocol"},
    // Words.
    Expected{"content-in-parts", same},
    Expected{"thought-in-parts", same},
    Expected{"thought-in-tags", same},
    Expected{"thought-without-opening-tag", "same, behind more pieces", same, same, same},
    Expected{"thought-in-channels", same},
    Expected{"thought-in-reasoning-content", same},
    Expected{"thought-in-reasoning", same},
    Expected{"only-thought", "no_words", "no_words", same, same},
    Expected{"only-blanks", "no_words", "no_words", same, same},
    Expected{"nothing-said", "no_words", "no_words", same, same},
    Expected{"half-a-pair-in-the-stream", "same and '\U0001F600 bye'", {}, same, same},
    Expected{"repeated-at-the-end", same},
    Expected{"filtered-midway", "a part, finished by 'content_filter'", {}, same, same},
    Expected{"refusal-in-its-field", "'I'm sorry, I can't help with that.', finished by 'refusal'", {}, same, same},
    Expected{"tool-call-as-text", same},
    // Fields.
    Expected{"filter-results-first", same},
    Expected{"filter-results-later", same},
    Expected{"choices-null", same},
    Expected{"choices-missing", same},
    Expected{"delta-null", same},
    Expected{"delta-missing", same},
    Expected{"finish-empty", same},
    Expected{"finish-null-as-text", same},
    Expected{"finish-in-every-chunk", same},
    Expected{"finish-with-the-last-words", same},
    Expected{"finish-twice", same},
    Expected{"no-finish", "same, finished by ''", same, "same, finished by ''", same},
    Expected{"finish-in-own-words", same},
    Expected{"finish-end-turn", same},
    Expected{"nulls-everywhere", same},
    Expected{"empty-tool-calls", same},
    Expected{"created-as-float", same},
    Expected{"no-id", same},
    Expected{"choices-counted-up", same},
    Expected{"delta-and-message", same},
    // Usage.
    Expected{"negative-usage", "same, usage estimated"},
    Expected{"usage-not-whole-numbers", same},
    Expected{"usage-in-strings", same},
    Expected{"usage-is-a-word", "same, usage estimated"},
    Expected{"usage-of-zeros", "same, usage estimated"},
    Expected{"usage-in-every-chunk", same},
    Expected{"usage-with-the-finish", same},
    Expected{"usage-more-thoughts", same},
    Expected{"usage-details-null", same},
    Expected{"usage-elsewhere", "same, usage estimated", same, "same, usage estimated", same},
    Expected{"no-usage", "same, usage estimated"},
    // Tool calls.
    Expected{"tool-calls-from-one", same},
    Expected{"tool-calls-share-an-index", same, same, "both calls"},
    Expected{"tool-calls-without-index", same, same, "both calls"},
    Expected{"tool-call-without-id", same},
    Expected{"tool-calls-with-empty-ids", same, same, "both calls"},
    Expected{"tool-name-in-every-piece", same},
    Expected{"tool-name-later", same},
    Expected{"tool-ids-null", same},
    Expected{"tool-arguments-as-object", same},
    Expected{"tool-arguments-empty", same, same, "the call with {}"},
    Expected{"tool-arguments-missing", same, same, "the call with {}"},
    Expected{"tool-arguments-null-first", same},
    Expected{"tool-arguments-encoded-twice", same},
    Expected{"tool-arguments-repeated", same},
    Expected{"tool-call-in-one-chunk", same},
    Expected{"tool-calls-finish-with-stop", same, same, "same, finished by 'stop'"},
    Expected{"function-call", same},
    // Errors.
    Expected{"come-back-tomorrow", "rate_limited, after 86400 s"},
    Expected{"retry-after-a-date", "rate_limited, after 30 s"},
    Expected{"retry-after-ms", "rate_limited, after 2 s"},
    Expected{"context-size-in-other-words", "context_length"},
    Expected{"error-at-the-top", "context_length"},
    Expected{"error-in-a-list", "context_length"},
    Expected{"error-as-text", "invalid_request"},
    Expected{"error-as-detail", "invalid_request"},
    Expected{"error-with-200", "rate_limited"},
    Expected{"error-in-base-resp", "protocol"},
    Expected{"error-in-the-stream", "unavailable", same, "unavailable", same},
    Expected{"error-as-event", "unavailable", same, "unavailable", same},
    Expected{"error-as-field", "context_length", same, "context_length", same},
    Expected{"error-without-frame", "context_length", same, "context_length", same},
    Expected{"error-as-finish", "unavailable"},
    Expected{"error-in-the-choice", "unavailable"},
    Expected{"filtered-prompt", "content_filter"},
    Expected{"tool-use-failed", same, same, "unavailable", "invalid_request"},
    Expected{"overloaded-529", "unavailable"},
    Expected{"quota-with-429", "quota"},
    Expected{"payment-required", "quota"},
    Expected{"html-with-200", "protocol"},
    Expected{"html-with-502", "unavailable"},
    Expected{"empty-with-200", "protocol"},
    Expected{"no-choices", "no_words", "protocol", "no_words", "protocol"},
};

std::vector<llm::Tool> tools() {
  return {
      {"session_add_context", "Keeps a fact.",
       R"({"type":"object","properties":{"context":{"type":"object"}},"required":["context"]})"},
      {"session_update_status", "Sets the status.",
       R"({"type":"object","properties":{"status":{"type":"string","enum":["follow_up"]}},"required":["status"]})"}};
}

/// Asks a simulator that answers in odd ways, and says what came of it.
class Judge {
 public:
  Judge()
      : usual_words_(fixture.complete(question(false, true))), usual_calls_(fixture.complete(question(true, true))) {}

  std::string verdict(std::string_view name, bool with_tools, bool stream) {
    play(name);
    fixture.streamed.clear();
    try {
      return verdict_on(fixture.complete(question(with_tools, stream)), with_tools, stream);
    } catch (llm::LlmError const& error) {
      auto text = std::string(to_string(error.kind()));
      if (auto const after = error.retry_after()) {
        auto const seconds = (after->count() + 999) / 1000;  // those until a date are one less at its end
        text += ", after " + std::to_string(seconds > 10 ? (seconds + 5) / 10 * 10 : seconds) + " s";
      }
      return text;
    }
  }

  SimulatorFixture fixture;

 private:
  void play(std::string_view name) {
    auto const rules = R"({"rules":[{"kind":")" + std::string(name) + R"("}]})";
    REQUIRE(fixture.fetch("POST", "/_simulator/oddities", rules).status == 200);
  }

  static llm::ChatRequest question(bool with_tools, bool stream) {
    if (with_tools) return SimulatorFixture::question("Please change price to 250k", stream, tools());
    return SimulatorFixture::question("Where is my card?", stream);
  }

  std::string verdict_on(llm::ChatCompletion const& answer, bool with_tools, bool stream) {
    auto const& usual = with_tools ? usual_calls_ : usual_words_;
    if (stream && !fixture.streamed.ends_with(answer.text)) return "streamed '" + fixture.streamed + "'";
    auto text = answer.tool_calls.empty() ? words(answer, usual) : calls(answer, usual);
    if (with_tools && answer.tool_calls.empty() && text == "same") text = "no call";
    if (stream && fixture.streamed.size() > answer.text.size()) text += ", behind more pieces";
    if (answer.finish_reason != usual.finish_reason) text += ", finished by '" + answer.finish_reason + "'";
    if (answer.usage.estimated) return text + ", usage estimated";
    if (answer.usage.reasoning > answer.usage.output) text += ", more thoughts than output";
    if (answer.usage.input != usual.usage.input || answer.usage.output != usual.usage.output) text += ", other usage";
    return text;
  }

  static std::string words(llm::ChatCompletion const& answer, llm::ChatCompletion const& usual) {
    if (answer.text == usual.text) return "same";
    if (!answer.text.empty() && usual.text.starts_with(answer.text)) return "a part";
    if (answer.text.starts_with(usual.text)) return "same and '" + answer.text.substr(usual.text.size()) + "'";
    return "'" + answer.text + "'";
  }

  static std::string calls(llm::ChatCompletion const& answer, llm::ChatCompletion const& usual) {
    std::set<std::string> ids;
    for (auto const& call : answer.tool_calls) ids.insert(call.id);
    if (ids.size() != answer.tool_calls.size() || ids.count("") > 0) return "calls without ids of their own";
    auto const& first = answer.tool_calls.front();
    auto const& wanted = usual.tool_calls.front();
    if (first.name != wanted.name) return "a call of " + first.name;
    if (first.arguments == "{}") return "the call with {}";
    boost::json::error_code error;
    if (boost::json::parse(first.arguments, error) != boost::json::parse(wanted.arguments))
      return "with " + first.arguments;
    if (answer.tool_calls.size() == 1) return "same";
    auto const& second = answer.tool_calls[1];
    if (answer.tool_calls.size() == 2 && second.name == "session_update_status" &&
        second.arguments == R"({"status":"follow_up"})")
      return "both calls";
    return std::to_string(answer.tool_calls.size()) + " calls";
  }

  llm::ChatCompletion usual_words_;
  llm::ChatCompletion usual_calls_;
};

std::string_view expected(Expected const& row, bool with_tools, bool stream) {
  auto const whole = row.words_whole.empty() ? row.words_streamed : row.words_whole;
  if (!with_tools) return stream ? row.words_streamed : whole;
  auto const streamed_calls = row.calls_streamed.empty() ? row.words_streamed : row.calls_streamed;
  if (stream) return streamed_calls;
  return row.calls_whole.empty() ? (row.calls_streamed.empty() ? whole : streamed_calls) : row.calls_whole;
}

}  // namespace

TEST_CASE("our client makes of every oddity what it must") {
  Judge judge;
  std::set<std::string_view> judged;
  for (auto const& row : expectations) {
    judged.insert(row.name);
    for (auto const with_tools : {false, true}) {
      for (auto const stream : {true, false}) {
        auto const label =
            std::string(row.name) + (with_tools ? ", calls" : ", words") + (stream ? ", streamed" : ", whole");
        auto const began = std::chrono::steady_clock::now();
        auto const verdict = judge.verdict(row.name, with_tools, stream);
        CHECK_MESSAGE(verdict == expected(row, with_tools, stream), label);
        CHECK_MESSAGE(std::chrono::steady_clock::now() - began < std::chrono::seconds(3), label);
      }
    }
  }
  for (auto const& way : oddities()) CHECK_MESSAGE(judged.count(way.name) == 1, way.name, " is not judged");
  CHECK(judged.size() == oddities().size());
}

}  // namespace omnibus::simulator
