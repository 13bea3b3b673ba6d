#include "messaging/transliterate.hpp"

#include <algorithm>

#include <doctest/doctest.h>

using omnibus::messaging::to_gsm7;

namespace {

/// What a text becomes; what it was when it is not GSM-7.
std::string plain(std::string_view text) {
  auto const written = to_gsm7(text);
  return (written.gsm7 ? "" : "not GSM-7: ") + written.text;
}

}  // namespace

TEST_CASE("quotes, dashes, dots and blanks of print become plain") {
  CHECK(plain("‘a’ “b” „c” «d» ‹e›") == "'a' \"b\" \"c\" \"d\" 'e'");
  CHECK(plain("1–2 — 3 − 4‑5…") == "1-2 - 3 - 4-5...");
  CHECK(plain("10\xC2\xA0"
              "000\xE2\x80\xAF"
              "F\xE3\x80\x80x") == "10 000 F x");
  CHECK(plain("`code` ´x´") == "'code' 'x'");
  CHECK(plain("• one\n• two") == "- one\n- two");
}

TEST_CASE("accents that GSM-7 has stay, others go") {
  CHECK(plain("à é è ù ì ò ñ ö ü Ç Å É") == "à é è ù ì ò ñ ö ü Ç Å É");
  CHECK(plain("garçon, forêt, Noël, sœur, ÀÊÎ") == "garcon, foret, Noel, soeur, AEI");
  CHECK(plain("Łódź, Ștefan, Đà Nẵng, Gabriël") == "Lodz, Stefan, Dà Nang, Gabriel");
  CHECK(plain("e\xCC\x81t\xC3\xA9") == "été");  // a letter and its accent apart are the letter that GSM-7 has
  CHECK(plain("n\xCC\x88") == "n");             // no letter composes with it
  CHECK(plain("ẹ̀kọ́ ɛ ɔ ŋ") == "eko e o n");
}

TEST_CASE("symbols are spelled") {
  CHECK(plain("™ © ½ ² № ﬁ ≤ → ₦500 ★ ① ５") == "TM (C)  1/2 2 No fi <= -> NGN500 * 1 5");
}

TEST_CASE("emoji are dropped with the blank after them, where the rest is GSM-7") {
  CHECK(plain("Hello 👋 there") == "Hello there");
  CHECK(plain("👨‍👩‍👧 family") == "family");
  CHECK(plain("👍🏽🇷🇼 ok ❤️") == "ok ");
  CHECK(plain("1️⃣ first ℹ️ more") == "1 first more");
  CHECK(plain("done✔") == "done");
}

TEST_CASE("a text that is nothing but emoji keeps them") {
  CHECK(plain("👍") == "not GSM-7: 👍");
  CHECK(plain("👍🏽 ❤️") == "not GSM-7: 👍🏽 ❤️");
}

TEST_CASE("a text of another script stays as it is: nothing would be won") {
  CHECK(plain("السعر “٢٥٠” 😀") == "not GSM-7: السعر “٢٥٠” 😀");
  CHECK(plain("Цена’s") == "not GSM-7: Цена’s");
  CHECK(plain("价格…") == "not GSM-7: 价格…");
  CHECK(to_gsm7("Цена’s").replaced.empty());
}

TEST_CASE("control characters go, line ends become line feeds") {
  CHECK(plain("a\r\nb\rc\td\x07"
              "e\x1b[0m") == "a\nb\nc de[0m");
  CHECK(plain(std::string{"a\0b", 3}) == "ab");
  CHECK(plain("zero\xE2\x80\x8Bwidth \xEF\xBB\xBFmark") == "zerowidth mark");
}

TEST_CASE("what is not UTF-8 becomes a question mark") {
  CHECK(plain("a\xFFz") == "a?z");
  CHECK(plain("cut \xE2\x82") == "cut ?");
  CHECK(plain("\xED\xA0\x80 half a pair").ends_with(" half a pair"));
}

TEST_CASE("replacements are told with their count, in order") {
  auto const written = to_gsm7("l’été d’ici… 😀");
  REQUIRE(written.replaced.size() == 3);
  CHECK(written.replaced[0].from == "’");
  CHECK(written.replaced[0].to == "'");
  CHECK(written.replaced[0].count == 2);
  CHECK(written.replaced[1].from == "…");
  CHECK(written.replaced[2].from == "😀");
  CHECK(written.replaced[2].to.empty());
}
