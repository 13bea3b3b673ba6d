#include "http/sse.hpp"

#include <vector>

#include <doctest/doctest.h>

namespace omnibus::http {
namespace {

struct Seen {
  std::string event, data, id;
  bool operator==(Seen const&) const = default;
};

std::vector<Seen> parse(std::string_view text, std::size_t piece) {
  SseParser parser;
  std::vector<Seen> seen;
  while (!text.empty()) {
    auto input = text.substr(0, piece);
    text.remove_prefix(input.size());
    while (parser.next(input) == SseParser::Step::event) {
      seen.push_back({std::string(parser.event()), std::string(parser.data()), std::string(parser.id())});
    }
  }
  return seen;
}

}  // namespace

TEST_CASE("events are the same however their bytes are cut and whatever ends their lines") {
  std::vector<Seen> const expected{
      {"message", "héllo €", ""}, {"delta", "one\ntwo\n", "7"}, {"message", "[DONE]", "7"}};
  for (std::string const end : {"\n", "\r\n", "\r"}) {
    auto const text = "\xEF\xBB\xBF: keep-alive" + end + "data: héllo €" + end + end + "event: delta" + end + "id:7" +
                      end + "data: one" + end + "data:two" + end + "data" + end + end + ": nothing" + end + end +
                      "unknown: x" + end + "data:[DONE]" + end + end;
    for (std::size_t piece = 1; piece <= text.size(); ++piece) CHECK(parse(text, piece) == expected);
  }
}

TEST_CASE("an event that is not ended is not seen") {
  CHECK(parse("data: half\n", 3).empty());
}

TEST_CASE("at the end of the stream the event that is not ended can be had") {
  for (std::string_view const text : {"data: half", "data: half\n", "data: half\r\n"}) {
    SseParser parser;
    auto input = text;
    CHECK(parser.next(input) == SseParser::Step::need_more);
    CHECK(parser.finish() == SseParser::Step::event);
    CHECK(parser.data() == "half");
    CHECK(parser.finish() == SseParser::Step::need_more);
  }
  SseParser parser(SseLimits{8, 100});
  CHECK(parser.finish() == SseParser::Step::need_more);
  std::string_view input = "data: 123";
  CHECK(parser.next(input) == SseParser::Step::too_large);
  CHECK(parser.finish() == SseParser::Step::too_large);
}

TEST_CASE("an event without data is not seen, and its type is forgotten") {
  CHECK(parse("event: delta\n\ndata: x\n\n", 100) == std::vector<Seen>{{"message", "x", ""}});
}

TEST_CASE("a field called error is an event, if asked for") {
  std::string_view const text = "error: {}\n\n";
  CHECK(parse(text, 100).empty());
  SseLimits limits;
  limits.error_field = true;
  SseParser parser(limits);
  auto input = text;
  REQUIRE(parser.next(input) == SseParser::Step::event);
  CHECK(parser.event() == "error");
  CHECK(parser.data() == "{}");
}

TEST_CASE("the reconnection time is taken when it is a number") {
  SseParser parser;
  std::string_view input = "retry: 250\nretry: soon\ndata: x\n\n";
  CHECK(parser.next(input) == SseParser::Step::event);
  CHECK(parser.retry() == 250);
}

TEST_CASE("lines and events beyond their limit end the parsing") {
  SseParser lines(SseLimits{8, 100});
  std::string_view input = "data: 123";
  CHECK(lines.next(input) == SseParser::Step::too_large);
  input = "data: 1\n\n";
  CHECK(lines.next(input) == SseParser::Step::too_large);

  SseParser events(SseLimits{100, 5});
  input = "data: 123\ndata: 456\n";
  CHECK(events.next(input) == SseParser::Step::too_large);
}

TEST_CASE("what is written is read back") {
  std::string text;
  append_sse_comment(text, "hi\nthere");
  append_sse_event(text, "delta", "a\r\nb\rc\nd", "42\n");
  append_sse_event(text, "", "");
  CHECK(parse(text, 4) == std::vector<Seen>{{"delta", "a\nb\nc\nd", "42"}, {"message", "", "42"}});
}

}  // namespace omnibus::http
