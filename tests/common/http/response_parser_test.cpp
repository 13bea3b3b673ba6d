#include "http/response_parser.hpp"

#include <doctest/doctest.h>

namespace omnibus::http {
namespace {

using Step = ResponseParser::Step;

/// Status, body and outcome of a response that comes in pieces of one size.
std::string parse(std::string_view text, std::size_t piece, bool to_head = false, std::size_t max_head = 200) {
  ResponseParser parser;
  parser.begin(to_head, max_head);
  std::string seen;
  while (!text.empty()) {
    auto input = text.substr(0, piece);
    text.remove_prefix(input.size());
    while (true) {
      auto const step = parser.next(input);
      if (step == Step::need_more) break;
      if (step == Step::head) seen += std::to_string(parser.head().status()) + " ";
      if (step == Step::body) seen += parser.body();
      if (step == Step::failed) return seen + "|failed";
      if (step == Step::done) return seen + (parser.keep_alive() ? "|kept" : "|closed");
    }
  }
  return seen + (parser.complete_at_close() ? "|at close" : "|incomplete");
}

}  // namespace

TEST_CASE("a response is the same however its bytes are cut") {
  auto const same = [](std::string_view text, std::string_view expected, bool to_head = false) {
    for (std::size_t piece = 1; piece <= text.size(); ++piece) {
      CAPTURE(text);
      CAPTURE(piece);
      CHECK(parse(text, piece, to_head) == expected);
    }
  };
  same("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "200 hello|kept");
  same("HTTP/1.1 200\nContent-Length:5\n\nhello", "200 hello|kept");
  same("HTTP/1.1 204 No Content\r\n\r\n", "204 |kept");
  same("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "200 |kept", true);
  same("HTTP/1.1 200 OK\r\nConnection: x, close\r\nContent-Length: 0\r\n\r\n", "200 |closed");
  same("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", "200 a|closed");
  same("HTTP/1.1 200 OK\r\n\r\nto the end", "200 to the end|at close");
  same("HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na", "200 a|kept");
  same("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1 ;x=\"y\"\r\n!\r\n0\r\nA: b\r\n\r\n",
       "200 hello!|kept");
  same("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", "200 hel|incomplete");
}

TEST_CASE("what two readers could understand differently is refused") {
  for (auto const* text : {"HTTP/2 200 OK\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 2x0 OK\r\n\r\n",
                           "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
                           "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 200 OK\r\nnonsense\r\n\r\n",
                           "HTTP/1.1 101 Switching\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
                           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
                           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
                           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFFFF\r\n",
                           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab"}) {
    for (auto const piece : {std::size_t(1), std::size_t(1000)}) {
      CAPTURE(text);
      auto const seen = parse(text, piece);
      CHECK(seen.ends_with("|failed"));
    }
  }
}

TEST_CASE("a head beyond its limit is refused") {
  auto const text = "HTTP/1.1 200 OK\r\nX: " + std::string(300, 'x') + "\r\n\r\n";
  for (auto const piece : {std::size_t(1), std::size_t(7), std::size_t(1000)}) CHECK(parse(text, piece) == "|failed");
}

TEST_CASE("header fields are found without regard to case") {
  ResponseParser parser;
  parser.begin(false, 1000);
  std::string_view input = "HTTP/1.1 429 Slow\r\nRetry-After:  7 \r\nX:\r\n\r\n";
  REQUIRE(parser.next(input) == Step::head);
  CHECK(parser.head().find("retry-after") == "7");
  CHECK(parser.head().find("x") == "");
  CHECK_FALSE(parser.head().find("y"));
}

}  // namespace omnibus::http
