#include "messaging/gsm7.hpp"

#include <doctest/doctest.h>

namespace gsm7 = omnibus::messaging::gsm7;

TEST_CASE("letters of the alphabet take one septet, those behind the escape two, others none") {
  for (auto const unit : std::u16string_view{u"aZ0 @\n\r£¥èéùìòÇØøÅåΔΩÆæßÉÄÖÑÜ§¿äöñüà¤¡_"})
    CHECK(gsm7::septets(unit) == 1);
  for (auto const unit : std::u16string_view{u"^{}[]~|\\€\f"}) CHECK(gsm7::septets(unit) == 2);
  for (auto const unit : std::u16string_view{u"`çêâÀáíóúÈα’“…–\t\x1b\xA0\x00Жع中"}) CHECK(gsm7::septets(unit) == 0);
  CHECK(gsm7::septets(char16_t{0xD83D}) == 0);
  CHECK(gsm7::septets(char16_t{0xFFFF}) == 0);
}

TEST_CASE("a text has septets when every character is of the alphabet") {
  CHECK(gsm7::septets(u"") == 0);
  CHECK(gsm7::septets(u"5 € [ok]") == 11);
  CHECK(gsm7::septets(u"garçon") == std::nullopt);
}
