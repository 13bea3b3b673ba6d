#include "json/repair.hpp"

#include "json/decode.hpp"
#include "json/utf8.hpp"

#include <random>
#include <string>

#include <boost/describe/class.hpp>
#include <doctest/doctest.h>

using namespace omnibus;
using namespace std::string_literals;
using json::repaired_document;
using json::repaired_text;

namespace {

struct Said {
  std::string text;
};
BOOST_DESCRIBE_STRUCT(Said, (), (text))

/// The text of a document after its repair; it could not be read before.
std::string said(std::string const& literal) {
  auto const document = R"({"text":")" + literal + "\"}";
  CHECK_FALSE(json::decode<Said>(document).has_value());
  auto const read = json::decode<Said>(repaired_document(document));
  return read ? read->text : "nothing";
}

constexpr auto half = "\xEF\xBF\xBD";

}  // namespace

TEST_CASE("a text becomes valid UTF-8 and loses its NULs only") {
  CHECK(repaired_text("Murakoze 😀 é") == "Murakoze 😀 é");
  CHECK(repaired_text("a\0b"s) == "ab");
  CHECK(repaired_text("a\xff"s) == "a"s + half);
  CHECK(repaired_text("\xF0\x9F\x98") == half);                              // cut within an emoji
  CHECK(repaired_text("\xED\xA0\xBDx") == half + "x"s);                      // half a pair as bytes
  CHECK(repaired_text("\xC0\x80") == half);                                  // an overlong NUL
  CHECK(repaired_text("\xF4\x90\x80\x80\xF5") == half + std::string{half});  // beyond Unicode
  CHECK(repaired_text("\xE0\x80\x80\xE2\x82\xAC") == half + "€"s);
  CHECK(repaired_text("").empty());
}

TEST_CASE("a document's strings are repaired, and nothing else in it changes") {
  CHECK(said("Thank you so much \\ud83d") == "Thank you so much "s + half);
  CHECK(said("\\ude00!") == half + "!"s);
  CHECK(said("\\ud83d\\ud83d\\ude00") == half + "😀"s);
  CHECK(said("\\ud83d\\n") == half + "\n"s);
  CHECK(said("Thanks\\u0000, see you") == "Thanks, see you");
  CHECK(said("Thanks\0, see you"s) == "Thanks, see you");
  CHECK(said("two\nlines\tand\x01") == "two\nlines\tand\x01");
  CHECK(said("caf\xe9") == "caf"s + half);  // Latin-1
  CHECK(said("\\\\\\ud800") == "\\"s + half);
  for (auto const* good : {R"({"text":"a\"b\\ud83d\u00e9\ud83d\ude00","n":[1,2.5e3,null]})", "{}", "", "[", "nonsense",
                           "{\"a\":\"b", "\\", "\"\\", "\"\\u12"}) {
    CAPTURE(good);
    CHECK(repaired_document(good) == good);
  }
  CHECK(repaired_document("\xEF\xBB\xBF{}") == "{}");
}

TEST_CASE("any bytes within a string are a readable document after the repair") {
  std::mt19937 random{20261129};
  constexpr std::string_view pieces[] = {"\\ud83d", "\\ude00", "\\u0000", "\\n", "\xF0\x9F\x98\x80", "a", " ", "\\\\"};
  for (int round = 0; round < 2'000; ++round) {
    std::string literal;
    for (auto left = random() % 20; left > 0; --left) {
      auto const c = static_cast<char>(random() % 256);
      if (random() % 2 == 0)
        literal += pieces[random() % std::size(pieces)];
      else if (c != '"' && c != '\\')
        literal += c;
    }
    auto const repaired = repaired_document(R"({"text":")" + literal + "\"}");
    CAPTURE(repaired);
    CHECK(json::is_utf8(repaired));
    CHECK(json::decode<Said>(repaired).has_value());
    CHECK(repaired_document(repaired) == repaired);
  }
}
