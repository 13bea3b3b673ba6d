/// Server-sent events and HTTP responses under libFuzzer: what is parsed does not depend on how the bytes are cut.
/// The first byte of the input is the size of the pieces. Built and run by tests/fuzz/run.
#include "http/response_parser.hpp"
#include "http/sse.hpp"
#include "tests/fuzz/must.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

using namespace omnibus::http;

namespace {

template <class Parse>
void cut(std::string_view text, std::size_t piece, Parse parse) {
  while (!text.empty()) {
    auto const input = text.substr(0, piece);
    text.remove_prefix(input.size());
    if (!parse(input)) return;
  }
}

std::string events(std::string_view text, std::size_t piece) {
  SseParser parser(SseLimits{64, 256});
  std::string seen;
  cut(text, piece, [&](std::string_view input) {
    while (true) {
      auto const step = parser.next(input);
      if (step == SseParser::Step::need_more) return true;
      if (step == SseParser::Step::too_large) {
        seen += "|too large";
        return false;
      }
      seen.append("|").append(parser.event()).append("|").append(parser.data()).append("|").append(parser.id());
    }
  });
  return seen;
}

std::string response(std::string_view text, std::size_t piece) {
  using Step = ResponseParser::Step;
  ResponseParser parser;
  parser.begin(false, 128);
  std::string seen;
  cut(text, piece, [&](std::string_view input) {
    while (true) {
      switch (parser.next(input)) {
        case Step::need_more:
          return true;
        case Step::head:
          seen += std::to_string(parser.head().status()) + "|";
          break;
        case Step::body:
          seen += parser.body();
          break;
        case Step::done:
          seen += "|done";
          return false;
        case Step::failed:
          seen += "|failed";
          return false;
      }
    }
  });
  return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* bytes, std::size_t size) {
  if (size == 0) return 0;
  auto const piece = static_cast<std::size_t>(bytes[0] % 32) + 1;
  std::string_view const text(reinterpret_cast<char const*>(bytes) + 1, size - 1);
  omnibus::must(events(text, piece) == events(text, text.size() + 1), "events do not depend on how the bytes are cut");
  omnibus::must(response(text, piece) == response(text, text.size() + 1), "nor do responses");
  return 0;
}
