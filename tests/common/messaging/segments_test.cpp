#include "messaging/segments.hpp"

#include <random>
#include <string>

#include <doctest/doctest.h>

using namespace omnibus::messaging;

namespace {

std::string times(std::size_t count, std::string_view text) {
  std::string all;
  while (count-- > 0) all += text;
  return all;
}

std::vector<std::string> texts(std::string_view text) {
  std::vector<std::string> all;
  for (auto const& part : sms_parts(text)) all.push_back(part.text);
  return all;
}

std::string joined(std::string_view text) {
  std::string all;
  for (auto const& part : sms_parts(text)) all += part.text;
  return all;
}

}  // namespace

TEST_CASE("GSM-7 has 160 septets alone and 153 in each of several parts") {
  CHECK(sms_size("").parts == 0);
  CHECK(sms_size("a").parts == 1);
  CHECK(sms_size(times(160, "a")).parts == 1);
  CHECK(sms_size(times(161, "a")).parts == 2);
  CHECK(sms_size(times(306, "a")).parts == 2);
  CHECK(sms_size(times(307, "a")).parts == 3);
  CHECK(sms_size(times(459, "a")).parts == 3);
  CHECK(sms_size(times(460, "a")).parts == 4);
  CHECK(sms_size(times(459, "a")).encoding == SmsEncoding::gsm7);
  CHECK(sms_max_length_3_segments(SmsEncoding::gsm7) == 459);
}

TEST_CASE("UCS-2 has 70 units alone and 67 in each of several parts") {
  CHECK(sms_size(times(70, "ж")).parts == 1);
  CHECK(sms_size(times(71, "ж")).parts == 2);
  CHECK(sms_size(times(134, "ж")).parts == 2);
  CHECK(sms_size(times(135, "ж")).parts == 3);
  CHECK(sms_size(times(201, "ж")).parts == 3);
  CHECK(sms_size(times(202, "ж")).parts == 4);
  CHECK(sms_size("ж").encoding == SmsEncoding::ucs2);
  CHECK(sms_max_length_3_segments(SmsEncoding::ucs2) == 201);
}

TEST_CASE("one character outside GSM-7 makes all of it UCS-2") {
  CHECK(sms_size(times(160, "a")).parts == 1);
  CHECK(sms_size(times(159, "a") + "ê").parts == 3);
}

TEST_CASE("a character of the extension table costs two septets and is not split from its escape") {
  CHECK(sms_size(times(80, "€")).parts == 1);
  CHECK(sms_size(times(80, "€") + "a").parts == 2);
  // 153 is odd: each part has room for 76 of them, and one septet stays empty.
  CHECK(sms_size(times(152, "€")).parts == 2);
  CHECK(sms_size(times(153, "€")).parts == 3);
  auto const parts = sms_parts(times(153, "€"));
  REQUIRE(parts.size() == 3);
  CHECK(parts[0].units == 152);
  CHECK(parts[0].left == 1);
}

TEST_CASE("a surrogate pair is two units and is not split") {
  CHECK(sms_size(times(35, "😀")).parts == 1);
  CHECK(sms_size(times(36, "😀")).parts == 2);
  CHECK(sms_size(times(66, "😀")).parts == 2);  // 33 in each part of 67
  CHECK(sms_size(times(67, "😀")).parts == 3);
  for (auto const& text : texts(times(67, "😀"))) CHECK(text == times(text.size() / 4, "😀"));
}

TEST_CASE("a text is divided between words when it takes no more parts") {
  auto const text = times(30, "abc defg ");  // 270 septets
  auto const parts = sms_parts(text);
  REQUIRE(parts.size() == 2);
  CHECK(parts[0].text.ends_with(' '));
  CHECK(parts[0].units == 153);
  auto const tight = times(145, "a") + " " + times(30, "bc ");
  REQUIRE(sms_parts(tight).size() == 2);
  CHECK(sms_parts(tight)[0].text.ends_with(' '));
}

TEST_CASE("a word is split where leaving it whole would take one more part") {
  auto const text = times(10, "a") + " " + times(295, "b");  // 306 exactly
  auto const parts = sms_parts(text);
  REQUIRE(parts.size() == 2);
  CHECK(parts[0].units == 153);
  CHECK(parts[1].units == 153);
}

TEST_CASE("a grapheme is split only where leaving it whole would take one more part") {
  std::string_view const family = "👨‍👩‍👧‍👦";  // 11 units
  auto const parts = texts(times(9, family));                   // 99 of 134 units
  REQUIRE(parts.size() == 2);
  CHECK(parts[0] == times(parts[0].size() / family.size(), family));
  CHECK(sms_size(times(12, family)).parts == 2);  // 132 units: one of them has to give
  CHECK(joined(times(12, family)) == times(12, family));
  auto const accents = "ж" + times(66, "x") + "e\xCC\x81" + times(20, "y");
  CHECK(texts(accents)[0].back() == 'x');
}

TEST_CASE("scripts without blanks are divided where their lines may break") {
  auto const parts = texts(times(20, "你好，世界。"));  // 120 units: not before the comma or the stop
  REQUIRE(parts.size() == 2);
  CHECK_FALSE(parts[1].starts_with("，"));
  CHECK_FALSE(parts[1].starts_with("。"));
}

TEST_CASE("parts joined are the text, are as many as are counted and fit") {
  std::mt19937 random{7};
  std::string_view const words[] = {
      "a", "bc ", "é",         "€",  " ",     "\n",     "longer-word ", "{x}", "ж", "中", "😀", "👨‍👩‍👧",
      "ñ", "’",   "e\xCC\x81", "🇷🇼", "नमस्ते ", "السلام "};
  for (int i = 0; i < 400; ++i) {
    std::string text;
    auto const kinds = i % 2 == 0 ? 8U : std::size(words);
    auto const count = random() % 300;
    for (std::size_t word = 0; word < count; ++word) text += words[random() % kinds];
    auto const size = sms_size(text);
    auto const parts = sms_parts(text);
    REQUIRE(joined(text) == text);
    REQUIRE(parts.size() == size.parts);
    std::size_t units = 0;
    for (auto const& part : parts) {
      auto const room = capacity(size.encoding);
      REQUIRE(part.units + part.left == (parts.size() == 1 ? room.alone : room.in_parts));
      units += part.units;
    }
    REQUIRE(units == size.units);
    for (std::size_t max = 1; max <= 3; ++max) {
      auto const cut = cut_sms(text, max);
      REQUIRE(sms_size(cut).parts <= max);
      if (size.parts <= max) REQUIRE(cut == text);
      if (size.parts > max) REQUIRE((cut.ends_with("...") || cut.ends_with("…")));
    }
  }
}

TEST_CASE("a text is cut after a word, with an ellipsis, to fit") {
  auto const cut = cut_sms(times(100, "some words "));
  CHECK(sms_size(cut).parts == 3);
  CHECK(sms_size(cut).units <= 459);
  CHECK(sms_size(cut).units > 445);
  CHECK(cut.ends_with(" some..."));
  auto const alone = cut_sms(times(100, "some words "), 1);
  CHECK(sms_size(alone).parts == 1);
  CHECK(sms_size(alone).units > 145);
  auto const wide = cut_sms(times(100, "цена "));
  CHECK(sms_size(wide).parts == 3);
  CHECK(wide.ends_with("цена…"));
  CHECK(cut_sms(times(459, "a")) == times(459, "a"));
  CHECK(cut_sms(times(460, "a")) == times(456, "a") + "...");
  CHECK(cut_sms("a", 0).empty());
}

TEST_CASE("a text whose other script lies behind the cut is cut as GSM-7") {
  auto const cut = cut_sms(times(500, "a") + "ж");
  CHECK(sms_size(cut).encoding == SmsEncoding::gsm7);
  CHECK(sms_size(cut).units == 459);
}

TEST_CASE("no emoji is cut in two") {
  CHECK(cut_sms(times(300, "😀")) == times(99, "😀") + "…");
  auto const families = cut_sms(times(30, "👨‍👩‍👧‍👦"));
  std::string_view const family = "👨‍👩‍👧‍👦";
  auto const kept = families.size() - std::string_view{"…"}.size();
  CHECK(families == times(kept / family.size(), family) + "…");
}

TEST_CASE("what is not UTF-8 is counted as the character that stands for it") {
  CHECK(sms_size("\xFF").encoding == SmsEncoding::ucs2);
  CHECK(joined("a\xFF"
               "b") ==
        "a\xEF\xBF\xBD"
        "b");
}
