#include "messaging/number_plans.hpp"

#include "messaging/phone_number.hpp"
#include "tests/common/messaging/numbers_of_the_world.hpp"

#include <string>
#include <utility>

#include <doctest/doctest.h>

using namespace omnibus::messaging;

namespace {

std::string from_provider(std::string_view text, std::string_view region = "RW") {
  auto const number = PhoneNumber::from_provider(text, region);
  return number ? number->e164() : "nothing";
}

std::string parsed(std::string_view text, std::string_view region = {}) {
  auto const number = PhoneNumber::parse(text, region);
  return number ? number->e164() : "nothing";
}

}  // namespace

TEST_CASE("a number of each country code is read, also by plans newer than libphonenumber") {
  for (auto const number : current_numbers) {
    CAPTURE(number);
    CHECK(parsed(number) != "nothing");
    CHECK(from_provider(number) != "nothing");
    CHECK(PhoneNumber::from_whatsapp(number.substr(1)).has_value());
  }
}

TEST_CASE("the numbers of Benin have ten digits, at home and abroad") {
  CHECK(parsed("+2290197123456") == "+2290197123456");
  CHECK(parsed("+229 01 97 12 34 56") == "+2290197123456");
  CHECK(parsed("01 97 12 34 56", "BJ") == "+2290197123456");
  CHECK(from_provider("2290197123456") == "+2290197123456");  // without a plus, from another country
  CHECK(from_provider("002290197123456") == "+2290197123456");
  CHECK(PhoneNumber::from_whatsapp("2290197123456")->e164() == "+2290197123456");
}

TEST_CASE("a number of an older plan, or of one that no table knows, is one that somebody dialled from") {
  for (auto const* number : {
           "+22997123456",     // Benin, before November 2024
           "+22507123456",     // Ivory Coast, before January 2021
           "+24106123456",     // Gabon, before 2019
           "+23612345678",     // Central African Republic
           "+8613800138000",   // China
           "+390669812345",    // Italy keeps its zero
           "+441632960961",    // Britain
           "+2507881234",      // shorter than in Rwanda today
           "+2507881234567",   // longer
           "+22901971234567",  // longer than in Benin today
           "+999123456789",    // a country code that may be given out
           "+12345678",        // the fewest digits
           "+123456789012345"  // the most
       }) {
    CAPTURE(number);
    CHECK(from_provider(number) == number);
    CHECK(PhoneNumber::from_whatsapp(std::string_view{number}.substr(1))->e164() == number);
  }
  CHECK(from_provider("tel:+250788123456") == "+250788123456");  // RFC 3966
  CHECK(from_provider("250788123456", "BJ") == "+250788123456");
  CHECK(from_provider("2348031234567") == "+2348031234567");
}

TEST_CASE("a provider's short codes, names and longer digits are no numbers") {
  for (auto const* text : {"", "+", "8080", "112", "12345", "+1234567", "EasyMO", "MTN123456789", "077199999999999999",
                           "+1234567890123456", "+0788123456", "00", "tel:", "+250788123456;x", "+250788123456 ext. 12",
                           "+250788123456\xff", "+250788123456, +250788123457", "tel:+250788123456;phone-context=x"}) {
    CAPTURE(text);
    CHECK(from_provider(text) == "nothing");
  }
  CHECK(from_provider(std::string(100'000, '1')) == "nothing");
  CHECK(from_provider(std::string("+") + std::string(80, ' ') + "250788123456") == "nothing");
}

TEST_CASE("a mobile number with two spellings is one number") {
  struct Spellings {
    char const* whatsapp;  ///< the wa_id
    char const* dialled;
  };
  for (auto const& spelled : {
           Spellings{"554199998888", "+5541999998888"},   // Brazil's ninth digit
           Spellings{"551187654321", "+5511987654321"},   // https://github.com/megaapp977/stack/issues/125
           Spellings{"558299448232", "+5582999448232"},   // https://github.com/nyaruka/courier/issues/433
           Spellings{"555561234567", "+5555961234567"},   // an area code like the country's
           Spellings{"5541999998888", "+5541999998888"},  // a newer account has it
           Spellings{"5491123456789", "+541123456789"},   // Argentina's 9
           Spellings{"5493512345678", "+543512345678"},
           Spellings{"5491123456789", "+54 11 15 2345-6789"},  // as dialled at home
           Spellings{"5215512345678", "+525512345678"},        // Mexico's 1
           Spellings{"525512345678", "+525512345678"},
       }) {
    CAPTURE(spelled.whatsapp);
    auto const by_whatsapp = PhoneNumber::from_whatsapp(spelled.whatsapp);
    REQUIRE(by_whatsapp);
    CHECK(by_whatsapp->e164() == parsed(spelled.dialled));
    CHECK(parsed(by_whatsapp->e164()) == by_whatsapp->e164());
  }
  CHECK(PhoneNumber::from_whatsapp("554199998888")->e164() == "+5541999998888");
  CHECK(PhoneNumber::from_whatsapp("5215512345678")->e164() == "+525512345678");
}

TEST_CASE("a number with one spelling stays as it is") {
  for (auto const* number : {
           "+554133334444",    // a landline in Brazil
           "+558001234567",    // toll-free
           "+5541999998888",   // with its ninth digit
           "+5491123456789",   // with its 9
           "+548001234567",    // toll-free in Argentina
           "+525512345678",    // without a 1
           "+5511912345678",   //
           "+34612345678",     // no prefix of 54 or 55
           "+15551999988",     //
           "+551234567890123"  // as long as no number of Brazil
       }) {
    CAPTURE(number);
    CHECK(from_provider(number) == number);
  }
}

TEST_CASE("the digits of a WhatsApp id are WhatsApp's own") {
  CHECK(wa_id_digits("554199998888") == "554199998888");
  CHECK(wa_id_digits("554199998888:3@s.whatsapp.net") == "554199998888");
  for (auto const* id : {"", "RW.118", "120363025246125486@g.us", "123456789012@lid", "+250788123456"}) {
    CAPTURE(id);
    CHECK(wa_id_digits(id).empty());
  }
}

TEST_CASE("the table has each country code once") {
  unsigned last = 0;
  for (auto const& plan : number_plans()) {
    CHECK(plan.country_code > last);
    CHECK(plan.lengths != 0);
    last = plan.country_code;
  }
  CHECK(number_plans().size() > 200);
}
