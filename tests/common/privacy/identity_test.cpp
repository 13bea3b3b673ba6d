#include "privacy/identity.hpp"

#include "events/conversation.hpp"

#include <string>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::privacy;

namespace {

SubjectRules const rules{"shop.example", "RW", "a secret of sixteen bytes", ""};

SubjectKey key_of_number(std::string const& text, std::string region = "RW") {
  auto const own = SubjectRules{rules.domain, std::move(region), rules.secret, ""};
  return name_subject(own, {text, {}, {}, {}, {}}).key;
}

}  // namespace

TEST_CASE("every spelling of a number is the same person") {
  auto const expected = sender_key(rules.secret, rules.domain, "+250788123456");
  for (auto const* const spelling : {"0788 123 456", "00250 788-123-456", "250788123456", "+250 788 123 456",
                                     "+250788123456", "tel:+250788123456"}) {
    CAPTURE(spelling);
    CHECK(key_of_number(spelling) == expected);
  }
  // Brazil with and without the ninth digit.
  CHECK(key_of_number("+55 11 98765-4321", "BR") == key_of_number("+55 11 8765-4321", "BR"));
  CHECK(name_subject(rules, {{}, "250788123456@s.whatsapp.net", {}, {}, {}}).key == expected);
  CHECK(name_subject(rules, {{}, "+250 788 123 456", {}, {}, {}}).key == expected);
  CHECK(name_subject(rules, {{}, "RW.1A2b3C", {}, {}, {}}).key == sender_key(rules.secret, rules.domain, "RW.1A2b3C"));
}

TEST_CASE("what cannot be read is refused without repeating it") {
  for (auto const* const number :
       {"", "12", "hello", "+250788123456789012345", "0788 123 456 ext 7", "ann@shop.example"}) {
    CAPTURE(number);
    try {
      name_subject(rules, {number, {}, {}, {}, {}});
      FAIL("it was read");
    } catch (InvalidIdentity const& invalid) {
      CHECK(invalid.field == "phone_number");
      if (*number != '\0') CHECK(invalid.detail.find(number) == std::string::npos);
    }
  }
  CHECK_THROWS_AS(name_subject(rules, {{}, "group@g.us", {}, {}, {}}), InvalidIdentity);
  CHECK_THROWS_AS(name_subject(rules, {{}, {}, "", {}, {}}), InvalidIdentity);
  CHECK_THROWS_AS(name_subject(rules, {{}, {}, std::string(256, 's'), {}, {}}), InvalidIdentity);
  CHECK_THROWS_AS(name_subject(rules, {{}, {}, {}, "no-uuid", {}}), InvalidIdentity);
  CHECK_THROWS_AS(name_subject(rules, {{}, {}, {}, {}, "4410"}), InvalidIdentity);
  CHECK_THROWS_AS(name_subject(rules, {{}, {}, {}, to_string(Uuid{}), {}}), InvalidIdentity);
  CHECK_THROWS_AS(name_subject(rules, {{}, {}, {}, {}, to_string(Uuid{})}), InvalidIdentity);
}

TEST_CASE("a person is named by exactly one identity") {
  CHECK_THROWS_AS(name_subject(rules, {}), InvalidIdentity);
  CHECK_THROWS_AS(name_subject(rules, {"+250788123456", {}, "s1", {}, {}}), InvalidIdentity);
}

TEST_CASE("a session is also its conversation, and a user their id") {
  auto const session = name_subject(rules, {{}, {}, "s1", {}, {}});
  CHECK(session.key == session_key(rules.secret, rules.domain, "s1"));
  CHECK(session.aliases == std::vector{alias(conversation_id_of(rules.domain, "s1"))});
  auto const id = random_uuid();
  auto const user = name_subject(rules, {{}, {}, {}, to_string(id), {}});
  CHECK(user.key == user_key(rules.secret, rules.domain, id));
  CHECK(user.aliases == std::vector{alias(id)});
  CHECK(name_subject(rules, {{}, {}, {}, {}, to_string(id)}).key == alias(id));
}

TEST_CASE("after a change of the secret a person is named under both") {
  auto both = rules;
  both.previous_secret = "the secret from before it";
  auto const number = name_subject(both, {"+250788123456", {}, {}, {}, {}});
  CHECK(number.key == sender_key(rules.secret, rules.domain, "+250788123456"));
  CHECK(number.aliases == std::vector{sender_key(both.previous_secret, rules.domain, "+250788123456")});
  CHECK(name_subject(both, {{}, {}, "s1", {}, {}}).aliases.size() == 2);
}
