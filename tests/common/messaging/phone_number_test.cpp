#include "messaging/phone_number.hpp"

#include <doctest/doctest.h>

using omnibus::messaging::is_e164;
using omnibus::messaging::is_region;
using omnibus::messaging::mask_phone_number;
using omnibus::messaging::PhoneNumber;

namespace {

std::string e164(std::string_view text, std::string_view region = {}) {
  auto const number = PhoneNumber::parse(text, region);
  return number ? number->e164() : "nothing";
}

std::string from_whatsapp(std::string_view id) {
  auto const number = PhoneNumber::from_whatsapp(id);
  return number ? number->e164() : "nothing";
}

}  // namespace

TEST_CASE("a number is the same in E.164 however it was written") {
  CHECK(e164("+250788123456") == "+250788123456");
  CHECK(e164("+250 788 123-456") == "+250788123456");
  CHECK(e164("(+250) 788.123.456") == "+250788123456");
  CHECK(e164("00250788123456", "RW") == "+250788123456");
  CHECK(e164("0788 123 456", "RW") == "+250788123456");
  CHECK(e164("788123456", "RW") == "+250788123456");
  CHECK(e164("٠٧٨٨١٢٣٤٥٦", "RW") == "+250788123456");
  CHECK(e164("020 7946 0018", "GB") == "+442079460018");
  CHECK(e164("06 698 12345", "IT") == "+390669812345");  // Italy keeps its zero
}

TEST_CASE("a national number needs a region") {
  CHECK(e164("0788123456") == "nothing");
  CHECK(e164("0788123456", "no region") == "nothing");
  CHECK(e164("+250788123456", "no region") == "+250788123456");
}

TEST_CASE("what cannot be dialled from abroad is no number") {
  for (auto const* text :
       {"", "+", "+0788123456", "8080", "112", "EasyMO", "MTN123456789", "1-800-FLOWERS", "+2507881234",
        "+2507881234567", "+250788123456 ext. 12", "+250788123456;ext=12", "+999123456789", "+250788123456\xff",
        "+250788123456, +250788123457", "0788123456 0788123457", "+1555", "+250788123456789012345"}) {
    CAPTURE(text);
    CHECK(e164(text, "RW") == "nothing");
  }
  CHECK(e164("253-0000", "US") == "nothing");  // complete within its area only
  CHECK(e164(std::string(100'000, '1'), "RW") == "nothing");
  CHECK(e164(std::string{"+250788\0"
                         "123456",
                         14},
             "RW") == "nothing");
}

TEST_CASE("a number of a range that nobody knows to be in use is a number still") {
  CHECK(PhoneNumber::parse("+250788123456")->in_use());
  CHECK_FALSE(PhoneNumber::parse("+250111123456")->in_use());
}

TEST_CASE("a WhatsApp id gives its number") {
  CHECK(from_whatsapp("250788123456") == "+250788123456");
  CHECK(from_whatsapp("250788123456@s.whatsapp.net") == "+250788123456");
  CHECK(from_whatsapp("250788123456:12@s.whatsapp.net") == "+250788123456");
  CHECK(from_whatsapp("250788123456.0:12@s.whatsapp.net") == "+250788123456");
  CHECK(from_whatsapp("250788123456@c.us") == "+250788123456");
  CHECK(from_whatsapp("5215512345678") == "+525512345678");
  CHECK(PhoneNumber::parse("+250788123456")->digits() == "250788123456");
}

TEST_CASE("a WhatsApp id without a number gives none") {
  for (auto const* id : {"", "@", "@s.whatsapp.net", "120363025246125486@g.us", "status@broadcast", "123456789012@lid",
                         "RW.ABCDEF", "+250788123456", "25078812345a", "250788123456@s.whatsapp.net.evil.example"}) {
    CAPTURE(id);
    CHECK(from_whatsapp(id) == "nothing");
  }
}

TEST_CASE("a masked number hides what tells people apart") {
  CHECK(PhoneNumber::parse("+250788123456")->masked() == "+2507*****56");
  CHECK(mask_phone_number("+14155552671") == "+1415*****71");
  CHECK(mask_phone_number("+6834002") == "+6*****");
  CHECK(mask_phone_number("0788123456") == "*****");
  CHECK(mask_phone_number("") == "*****");
  CHECK(mask_phone_number("250788123456@s.whatsapp.net") == "*****");
}

TEST_CASE("E.164 and regions are told from what is none") {
  CHECK(is_e164("+250788123456"));
  for (auto const* text : {"250788123456", "+", "+1", "+0788123456", "+2507881234567890", "+25078812345x", ""}) {
    CAPTURE(text);
    CHECK_FALSE(is_e164(text));
  }
  CHECK(is_region("RW"));
  CHECK_FALSE(is_region("rw"));
  CHECK_FALSE(is_region("ZZ"));
  CHECK_FALSE(is_region(""));
}

TEST_CASE("digits with a national prefix too many are no number") {
  CHECK_FALSE(PhoneNumber::parse("00/ 0433 8906", "RW"));
}
