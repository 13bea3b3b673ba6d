#include "workers/notify/window.hpp"

#include <doctest/doctest.h>

using namespace omnibus::notify;

namespace {

constexpr std::int64_t now = 1'800'000'000'000;
constexpr std::int64_t hour = 3'600'000;

Person person() {
  Person someone;
  someone.phone_number = "+250788123456";
  someone.last_whatsapp_inbound_ms = now - hour;
  return someone;
}

Way whatsapp(Person const& someone, bool has_template = false, std::string_view kind = "reply") {
  return find_way(someone, "whatsapp", kind, has_template, {}, now);
}
Way sms(Person const& someone, std::string_view kind = "reply") {
  return find_way(someone, "sms", kind, false, {}, now);
}

}  // namespace

TEST_CASE("who wrote within 24 hours gets free text") {
  auto const way = whatsapp(person());
  CHECK(way.skip == "");
  CHECK(way.recipient == "+250788123456");
  CHECK_FALSE(way.by_template);
}

TEST_CASE("the window closes 24 hours after the last message, to the millisecond") {
  auto someone = person();
  someone.last_whatsapp_inbound_ms = now - 24 * hour + 1;
  CHECK_FALSE(whatsapp(someone, true).by_template);
  someone.last_whatsapp_inbound_ms = now - 24 * hour;
  CHECK(whatsapp(someone, true).by_template);
  CHECK(whatsapp(someone, false).skip == "outside_window");
}

TEST_CASE("who never wrote is outside of it") {
  auto someone = person();
  someone.last_whatsapp_inbound_ms.reset();
  CHECK(whatsapp(someone, true).by_template);
  CHECK(whatsapp(someone).skip == "outside_window");
}

TEST_CASE("who has no WhatsApp is skipped; who may have it is not") {
  auto someone = person();
  someone.has_whatsapp = false;
  CHECK(whatsapp(someone, true).skip == "no_whatsapp");
  someone.has_whatsapp.reset();
  CHECK(whatsapp(someone).skip == "");
}

TEST_CASE("WhatsApp is addressed by the JID's digits, else the number, else the user id") {
  auto someone = person();
  someone.whatsapp_jid = "250799000001:12@s.whatsapp.net";
  CHECK(whatsapp(someone).recipient == "250799000001");
  someone.whatsapp_jid = "@s.whatsapp.net";
  CHECK(whatsapp(someone).recipient == "+250788123456");
  someone.phone_number.reset();
  someone.whatsapp_jid.reset();
  someone.whatsapp_user_id = "RW.abc123";
  CHECK(whatsapp(someone).recipient == "RW.abc123");
  CHECK(sms(someone).skip == "no_phone_number");
  someone.whatsapp_user_id.reset();
  CHECK(whatsapp(someone).skip == "no_phone_number");
}

TEST_CASE("who opted out gets only the answer to the keyword, and only that channel is closed") {
  auto someone = person();
  someone.sms_opt_out = true;
  CHECK(sms(someone).skip == "opted_out");
  CHECK(sms(someone, "call_summary").skip == "opted_out");
  CHECK(sms(someone, "opt_out").skip == "");
  CHECK(sms(someone, "help").skip == "");
  CHECK(whatsapp(someone).skip == "");
  someone.whatsapp_opt_out = true;
  CHECK(whatsapp(someone).skip == "opted_out");
  CHECK(whatsapp(someone, false, "opt_in").skip == "");
}

TEST_CASE("what has expired is not sent") {
  CHECK(find_way(person(), "sms", "reply", false, now, now).skip == "expired");
  CHECK(find_way(person(), "sms", "reply", false, now + 1, now).skip == "");
}
