#include "json/text_mender.hpp"

#include "json/repair.hpp"
#include "json/utf8.hpp"

#include <random>
#include <string>

#include <doctest/doctest.h>

using namespace std::string_literals;
using omnibus::json::repaired_text;
using omnibus::json::TextMender;

namespace {

constexpr auto wrong = "\xEF\xBF\xBD";

/// The text as it comes in pieces of this size.
std::string mended(std::string_view text, std::size_t size) {
  std::string out;
  TextMender mender;
  for (; text.size() > size; text.remove_prefix(size)) mender.append(out, text.substr(0, size));
  mender.append(out, text);
  mender.append(out, "");
  mender.finish(out);
  return out;
}

}  // namespace

TEST_CASE("a wrong sequence is one U+FFFD, however long it is and however it is cut") {
  std::pair<std::string, std::string> const cases[] = {
      {"a\x80\x80\x80z", "a"s + wrong + "z"},  // continuation bytes of nothing
      {"\xC0\x80", wrong},                     // overlong
      {"\xE0\x80\x80z", wrong + "z"s},         // overlong
      {"\xF4\x90\x80\x80\xF5", wrong + std::string(wrong)},
      {"\xE2\x82z", wrong + "z"s},  // cut off
      {"\xE2\x82\xE2\x82\xAC", wrong + "€"s},
      {"é\x80", "é"s + wrong},
      {"\xED\xA0\xBD\x80z", wrong + "z"s},  // half a pair, and more
      {"\xED\xA0\xBD\xED\xB8\x80", "😀"},    // both halves
      {"\xED\xA0\xBD\xED\xA0\xBD\xED\xB8\x80", wrong + "😀"s},
      {"\xED\xB8\x80\xED\xA0\xBD", wrong + std::string(wrong)},
      {"\xFF\0\x80"s, wrong + std::string(wrong)},
  };
  for (auto const& each : cases) {
    auto const& text = each.first;
    auto const& expected = each.second;
    CAPTURE(text);
    CHECK(repaired_text(text) == expected);
    for (std::size_t size = 1; size < 5; ++size) CHECK(mended(text, size) == expected);
  }
}

TEST_CASE("any bytes are mended the same in any pieces, and stay as they are then") {
  std::mt19937 random{20261129};
  constexpr std::string_view pieces[] = {
      "\xED\xA0\xBD", "\xED\xB8\x80", "\xF0\x9F\x98\x80", "\x80", "\xE2\x82", "a", "é"};
  for (auto round = 0; round < 2'000; ++round) {
    std::string text;
    for (auto left = random() % 12; left > 0; --left) {
      if (random() % 3 == 0)
        text += static_cast<char>(random() % 256);
      else
        text += pieces[random() % std::size(pieces)];
    }
    auto const whole = repaired_text(text);
    CHECK(omnibus::json::is_utf8(whole));
    CHECK(repaired_text(whole) == whole);
    for (std::size_t size = 1; size < 6; ++size) CHECK(mended(text, size) == whole);
  }
}
