// What a body is read as: the ways in which model servers are known to answer.
#include "tests/common/llm/read_answer.hpp"

#include <doctest/doctest.h>

using namespace omnibus::llm;
using namespace omnibus::llm::test;

TEST_CASE("a usual stream is read piece by piece, with its usage") {
  auto const read = read_answer(stream(words(R"("Hé")") + words(R"("llo")")));
  CHECK(read.error.empty());
  CHECK(read.text() == "Héllo");
  CHECK(read.pieces == std::vector<std::string>{"Hé", "llo"});
  CHECK(read.completion.finish_reason == "stop");
  CHECK(read.completion.model == "m-1");
  CHECK(read.completion.response_id == "chatcmpl-1");
  CHECK(read.paid.input == 20);
  CHECK(read.paid.output == 5);
  CHECK_FALSE(read.paid.estimated);
  CHECK(read.oddities.none());
}

TEST_CASE("a whole answer is one, however it was asked for") {
  SUBCASE("with words") {
    auto const read = read_answer(
        R"({"id":"c","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant",)"
        R"("content":"All at once."},"finish_reason":"stop"}],"usage":{"prompt_tokens":20,"completion_tokens":5}})");
    CHECK(read.pieces == std::vector<std::string>{"All at once."});
    CHECK(read.paid.input == 20);
    CHECK(read.had_ended);
  }
  SUBCASE("with a tool call") {
    auto const read = read_answer(
        R"({"choices":[{"finish_reason":"tool_calls","message":{"role":"assistant","content":null,"tool_calls":)"
        R"([{"id":"call_a","type":"function","function":{"name":"f","arguments":"{\"a\": 1}"}}]}}]})");
    REQUIRE(read.completion.tool_calls.size() == 1);
    CHECK(read.completion.tool_calls[0].arguments == R"({"a": 1})");
  }
  SUBCASE("in an event") {
    CHECK(read_answer(event(R"({"choices":[{"message":{"content":"Here."},"finish_reason":"stop"}]})")).text() ==
          "Here.");
  }
  SUBCASE("without a finish reason") {
    CHECK(read_answer(R"({"choices":[{"message":{"content":"Here."}}]})").text() == "Here.");
  }
  SUBCASE("behind a stream, once more") {
    auto const body =
        words(R"("Here.")") + event(R"({"choices":[{"message":{"content":"Here."},"finish_reason":"stop"}]})");
    CHECK(read_answer(body).text() == "Here.");
  }
  SUBCASE("in lines") {
    CHECK(read_answer("\xEF\xBB\xBF\r\n {\"choices\": [\n {\"message\": {\"content\":\n \"Here.\"}}]\n}\n\n").text() ==
          "Here.");
  }
}

TEST_CASE("chunks are chunks, whatever stands around them") {
  auto const hello = R"({"choices":[{"delta":{"content":"Hello "}}]})";
  auto const bye = R"({"choices":[{"delta":{"content":"bye"},"finish_reason":"stop"}]})";
  auto const is_read = [](std::string const& body) { return read_answer(body).text() == "Hello bye"; };
  auto const between = [&](std::string const& before, std::string const& after) {
    return before + hello + after + before + bye + after;
  };
  CHECK(is_read(between("data:", "\n\n")));
  CHECK(is_read(between("data: ", "\r\n\r\n")));
  CHECK(is_read(between("data: ", "\r\r")));
  CHECK(is_read(between(": OPENROUTER PROCESSING\n\nevent: message\nid: 1\ndata: ", "\n\n")));
  CHECK(is_read(between("event: ping\ndata: {\"type\":\"ping\"}\n\ndata: ", "\n\n")));
  CHECK(is_read(between("data: keep-alive\n\ndata: ", "\n\n")));
  CHECK(is_read(between("data: ", "\n")));  // no empty lines between events
  CHECK(is_read(between("", "\n")));        // a document a line
  CHECK(is_read(between("", "")));
  CHECK(is_read("[" + std::string(hello) + "," + bye + "]"));
  CHECK(is_read("\n\n" + between("data: ", "\n\n")));
  CHECK(is_read("data: " + std::string(hello) + "\n\ndata: " + bye));  // and no line end at the end
}

TEST_CASE("a stream ends with its end mark, in any writing, or with the ending") {
  auto const said = words(R"("All is said.")");
  for (std::string const mark :
       {"data: [DONE]\n\n", "data:[DONE]\n\n", "data:  [DONE] \n\n", "data: [ done ]\r\n\r\n"}) {
    auto const read = read_answer(said + mark + event("{\"choices\":[{\"delta\":{\"content\":\" More.\"}}]}"));
    CHECK(read.text() == "All is said.");
    CHECK(read.had_ended);
    CHECK(read.completion.finish_reason.empty());
  }
  CHECK(read_answer(said + delta("{}", "stop")).had_ended);
  CHECK(read_answer(said + delta("{}", "stop") + usual_usage).paid.input == 20);
  CHECK(read_answer(said).error == "protocol");
  CHECK(read_answer(said).oddities.has(Oddity::cut));
  CHECK(read_answer(said + delta("{}", "null")).error == "protocol");  // the word, and not the value
}

TEST_CASE("words behind the ending belong to the answer, which then has not ended") {
  auto const body = words(R"("One.")") + delta("{}", "stop") + words(R"(" Two.")");
  CHECK_FALSE(read_answer(body + event(R"({"choices":[]})") + "data: ").had_ended);
  CHECK(read_answer(body).text() == "One. Two.");
  CHECK(read_answer(body + done_mark).had_ended);
}

TEST_CASE("what comes behind the ending costs nothing") {
  auto const said = words(R"("All is said.")") + delta("{}", "stop");
  for (std::string const behind :
       {"data: {\"choi\n\n", "data: <html>\n\n", "data: {\"error\":{\"message\":\"x\"}}\n\n", "data: {"}) {
    auto const read = read_answer(said + behind);
    CHECK(read.text() == "All is said.");
    CHECK_FALSE(read.oddities.none());
  }
}

TEST_CASE("content in parts: text is words, thoughts and unknown parts are not") {
  CHECK(
      read_answer(stream(words(R"([{"type":"text","text":"In parts"}])") + words(R"([{"text":", twice."}])"))).text() ==
      "In parts, twice.");
  auto const thinking = words(R"([{"type":"thinking","thinking":[{"type":"text","text":"hm"}]}])");
  CHECK(read_answer(stream(thinking + words(R"("Thought, then said.")"))).text() == "Thought, then said.");
  CHECK(read_answer(stream(words(R"([{"type":"reasoning","text":"hm"},"Said",{"type":"text","text":"."}])"))).text() ==
        "Said.");
  CHECK(read_answer(R"({"choices":[{"message":{"content":[{"type":"text","text":"Whole."}]}}]})").text() == "Whole.");
  CHECK(read_answer(stream(words(R"({"type":"text","text":"One."})"))).text() == "One.");
}

TEST_CASE("thoughts are no words: only-thought answers are none, and are paid for") {
  auto const paid = event(R"({"choices":[],"usage":{"prompt_tokens":20,"completion_tokens":512,)"
                          R"("completion_tokens_details":{"reasoning_tokens":512}}})");
  auto const thought =
      delta(R"({"reasoning_content":"The visitor asks"})") + delta(R"({"content":null})", "length") + paid;
  auto const read = read_answer(thought + done_mark);
  CHECK(read.error == "no_words");
  CHECK(read.oddities.has(Oddity::no_words));
  CHECK(read.paid.output == 512);
  CHECK(read.paid.reasoning == 512);
  CHECK(read.pieces.empty());
  for (auto const* const nothing :
       {R"("")", R"(" \n\t")", R"("\u00a0\u200b")", R"("<think>hm</think>")", R"("<think>hm")", "null"}) {
    CAPTURE(nothing);
    CHECK(read_answer(stream(words(nothing))).error == "no_words");
    CHECK(read_answer(R"({"choices":[{"message":{"content":)" + std::string(nothing) + R"(},"finish_reason":"stop"}]})")
              .error == "no_words");
  }
}

TEST_CASE("thoughts in tags reach nobody") {
  auto const tagged =
      words(R"("<think>\nThe customer is angry.\n")") + words(R"("</think>\n\n")") + words(R"("We ship tomorrow.")");
  CHECK(read_answer(stream(tagged)).text() == "We ship tomorrow.");
  CHECK(read_answer(stream(tagged)).said() == "We ship tomorrow.");
  std::string cut;
  for (auto const c : std::string_view("<think>a</think> Use <think> here."))
    cut += words(std::string("\"") + c + "\"");
  CHECK(read_answer(stream(cut)).said() == "Use <think> here.");
}

TEST_CASE("thoughts whose opening tag stood in the prompt are no part of the answer") {
  auto const text_of = [](std::string const& json) { return read_answer(stream(words(json))).text(); };
  CHECK(text_of(R"("The customer is angry.\n</think>\n\nWe ship tomorrow.")") == "We ship tomorrow.");
  CHECK(text_of(R"("Answer briefly.</think>391")") == "391");
  CHECK(text_of(R"("</think>We ship tomorrow.")") == "We ship tomorrow.");
  CHECK(read_answer(stream(words(R"("Only a thought.</th")") + words(R"("ink>\n")"))).error == "no_words");
  // An answer about the tags, one that quotes them, and one whose thoughts are known.
  CHECK(text_of(R"("{\"said\": \"a </think> b\"}")") == R"({"said": "a </think> b"})");
  CHECK(text_of(R"("It writes <think>a</think> b.")") == "It writes <think>a</think> b.");
  CHECK(text_of(R"("<think>a</think>It ends with </think>.")") == "It ends with </think>.");
}

TEST_CASE("the channels of a server that does not parse them reach nobody") {
  auto const said = [](std::string const& text) {
    std::string chunks;
    for (auto const c : text) chunks += words(std::string("\"") + c + "\"");
    return read_answer(stream(chunks)).said();
  };
  std::string const final = "<|channel|>final<|message|>We ship tomorrow.";
  CHECK(said("<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant" + final) == "We ship tomorrow.");
  CHECK(said("<|start|>assistant<|channel|>commentary<|message|>Hm.<|end|>" + final) == "We ship tomorrow.");
  CHECK(said(final) == "We ship tomorrow.");
  CHECK(said("The mark " + final) == "The mark " + final);
  CHECK(read_answer(stream(words(R"("<|channel|>analysis<|message|>Hm.")"))).error == "no_words");
}

TEST_CASE("half characters that meet become one, and stay U+FFFD alone") {
  CHECK(read_answer(stream(words(R"("Done ")") + words(R"("\ud83d")") + words(R"("\ude00")") + words(R"(" bye")")))
            .text() == "Done 😀 bye");
  auto const alone = read_answer(stream(words(R"("a\ud83d")") + words(R"("b\ude00")")));
  CHECK(alone.text() ==
        "a\xEF\xBF\xBD"
        "b\xEF\xBF\xBD");
  CHECK(alone.oddities.has(Oddity::unicode));
  CHECK(read_answer(stream(words(R"("a\u0000b")"))).text() == "ab");
  CHECK(read_answer(stream(words("\"a\xFF\"") + words("\"\xF0\x9F\"") + words("\"\x98\x80\""))).text() ==
        "a\xEF\xBF\xBD😀");
  CHECK(read_answer(stream(words("\"a\tb\x01\""))).text() == "a\tb\x01");
}

TEST_CASE("counts that can be read count; what cannot be right is estimated") {
  auto const usage_of = [](std::string const& usage) {
    return read_answer(stream(words(R"("12345678")")).substr(0, 0) + words(R"("12345678")") + delta("{}", "stop") +
                       event("{\"choices\":[],\"usage\":" + usage + "}") + done_mark);
  };
  for (auto const* const good :
       {R"({"prompt_tokens":20.0,"completion_tokens":5.0})", R"({"prompt_tokens":"20","completion_tokens":"5"})",
        R"({"prompt_tokens":2e1,"completion_tokens":5,"prompt_tokens_details":"none"})",
        R"({"input_tokens":20,"output_tokens":5})"}) {
    CAPTURE(good);
    auto const read = usage_of(good);
    CHECK(read.text() == "12345678");
    CHECK(read.paid.input == 20);
    CHECK(read.paid.output == 5);
    CHECK_FALSE(read.paid.estimated);
  }
  for (auto const* const bad :
       {R"({"prompt_tokens":-3,"completion_tokens":5})", "\"none\"", "[]", "7", R"({"prompt_tokens":20})",
        R"({"prompt_tokens":20.5,"completion_tokens":5})", R"({"prompt_tokens":1e30,"completion_tokens":5})",
        R"({"prompt_tokens":NaN,"completion_tokens":5})", R"({"prompt_tokens":true,"completion_tokens":{}})"}) {
    CAPTURE(bad);
    auto const read = usage_of(bad);
    CHECK(read.text() == "12345678");
    CHECK(read.paid.input == estimated_prompt);
    CHECK(read.paid.output == 2);
    CHECK(read.paid.estimated);
    CHECK(read.oddities.has(Oddity::usage));
  }
  CHECK(usage_of("null").paid.estimated);
  CHECK(usage_of(R"({"prompt_tokens":20,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":-1}})")
            .paid.cached == 0);
  CHECK(usage_of(R"({"prompt_tokens":20,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":99}})")
            .paid.cached == 20);
}

TEST_CASE("the ending decides") {
  auto const ended = [](std::string_view reason) { return read_answer(stream(words(R"("Words")"), reason)); };
  CHECK(ended("end_turn").completion.finish_reason == "stop");
  CHECK(ended("MAX_TOKENS").completion.finish_reason == "length");
  CHECK(ended("SAFETY").completion.finish_reason == "content_filter");
  CHECK(ended("error").error == "unavailable");
  CHECK(ended("error").paid.output == 5);
  CHECK(read_answer(words(R"("Half a")") + event(R"({"error":{"message":"overloaded"}})")).error == "unavailable");
  auto const refused = read_answer(stream(delta(R"({"refusal":"I cannot "})") + delta(R"({"refusal":"do that."})")));
  CHECK(refused.text() == "I cannot do that.");
  CHECK(refused.said() == "I cannot do that.");
  CHECK(refused.completion.finish_reason == "refusal");
  CHECK(read_answer(stream({}, "content_filter")).error == "no_words");
}

TEST_CASE("what is truly broken is a named error, counted by kind") {
  auto const kind_of = [](std::string const& body) {
    auto const read = read_answer(body);
    auto all = read.error;
    read.oddities.each([&](Oddity oddity) { all.append(" ").append(to_string(oddity)); });
    return all;
  };
  CHECK(kind_of("<html>no</html>") == "protocol not_json");
  CHECK(kind_of("") == "protocol cut");
  CHECK(kind_of("hello") == "protocol not_json");
  CHECK(kind_of("error: no\n\n") == "protocol not_json");
  CHECK(kind_of("data: hello\n\n") == "protocol not_json");
  CHECK(kind_of(event("{\"choices\":[{\"del")) == "protocol not_json");
  CHECK(kind_of("{\"choices\":[{\"mess") == "protocol not_json");
  CHECK(kind_of("{}") == "protocol cut");
  CHECK(kind_of("[]") == "protocol cut");
  CHECK(kind_of(R"({"choices":"x"})") == "protocol cut");
  CHECK(kind_of(R"({"error":{"message":"overloaded","type":"server_error","code":null}})") == "unavailable error");
  CHECK(kind_of(R"({"error":"text"})") == "unavailable error");
  CHECK(kind_of(R"({"error":{"message":"x","code":429}})") == "rate_limited error");
  CHECK(kind_of("event: error\ndata: {\"message\":\"prompt is too long\"}\n\n") == "context_length error");
  CHECK(kind_of(R"({"object":"error","message":"This model's maximum context length is 8","code":400})") ==
        "context_length error");
  CHECK(read_answer(": a comment\n" + event(std::string(2'000, 'x')), {}, 1'000).error == "protocol");
  CHECK(read_answer("{\"a\":\"" + std::string(2'000, 'x') + "\"}", {}, 1'000).oddities.has(Oddity::too_large));
  // Behind the end of an answer nothing is read that follows something too large, however the bytes are cut.
  std::string const said = R"({"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]})";
  auto const overlong = said + "{\"a\":\"" + std::string(2'000, 'x') + "\"}" + said;
  for (auto const& cuts :
       {std::vector<std::size_t>{}, std::vector<std::size_t>{1'500, overlong.size() - said.size()}}) {
    auto const answer = read_answer(overlong, cuts, 1'000);
    CHECK(answer.completion.text == "a");
    CHECK(answer.error.empty());
  }
  std::string calls;
  for (auto i = 0; i < 200; ++i)
    calls +=
        delta(R"({"tool_calls":[{"index":)" + std::to_string(i) + R"(,"function":{"name":"f","arguments":"{}"}}]})");
  CHECK(kind_of(calls) == "protocol too_many_calls");
}

TEST_CASE("what one server says of itself in a way of its own is understood") {
  CHECK(read_answer("error: {\"code\":400,\"message\":\"x\",\"type\":\"exceed_context_size_error\"}\n\n" + done_mark)
            .error == "context_length");
  auto const again =
      words(R"("All of it, ")") + words(R"("once.")") + delta(R"({"content":"All of it, once."})", "stop");
  CHECK(read_answer(again + done_mark).text() == "All of it, once.");
  CHECK(read_answer(words(R"("ha")") + words(R"("ha")") + delta(R"({"content":"haha"})", "stop")).text() == "hahahaha");
}

TEST_CASE("an empty error is none") {
  for (auto const* const none : {"null", "{}", "\"\"", "false", "[]"}) {
    auto const read = read_answer(event(R"({"error":)" + std::string(none) +
                                        R"(,"choices":[{"delta":{"content":"Fine."},"finish_reason":"stop"}]})"));
    CHECK(read.text() == "Fine.");
  }
}
