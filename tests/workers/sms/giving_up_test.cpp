// The SMS worker's handler: messages that are given up, and people who are deleted.
#include "events/llm.hpp"
#include "tests/workers/sms/texting.hpp"

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::sms;
using namespace omnibus::sms::test;
using Kind = FakeContext::Kind;
using llm::LlmError;

TEST_CASE("a message that is given up: its person is told by the way it came, and handed over") {
  Texting texting;
  texting.model.script.say("Until six.");
  texting.refuse_commit();
  SUBCASE("by SMS") {
    CHECK(texting.write("Are you open?") == Kind::parked);
    CHECK(texting.stored.log.back().channel == "sms");
  }
  SUBCASE("by WhatsApp") {
    CHECK(texting.context.hand(*texting.handler, Texting::whatsapp("Are you open?")) == Kind::parked);
    CHECK(texting.stored.log.back().channel == "whatsapp");
  }
  REQUIRE(texting.context.parked());
  CHECK(texting.context.parked()->error_class() == "database");
  CHECK(texting.thread() == Texts{"they: Are you open?", "reply: " + texting.settings.fallback_text});
  CHECK(texting.person().session->status == "follow_up");
  CHECK(texting.context.published<NotificationRequested>().size() == 1);
}

TEST_CASE("a message that is given up and sent again by an operator") {
  Texting texting;
  texting.model.script.say("Until six.");
  REQUIRE(texting.write_and_refuse("Are you open?") == Kind::parked);
  auto const told = texting.thread();
  SUBCASE("is told once, when it is parked again") {
    texting.refuse_commit();
    CHECK(texting.context.redrive() == Kind::parked);
    CHECK(texting.thread() == told);
    CHECK(texting.person().session->status == "follow_up");
  }
  SUBCASE("is answered, when it is handled") {
    CHECK(texting.context.redrive() == Kind::handled);
    CHECK(texting.model.asked() == 1);
    CHECK(texting.stored.log.back().text == "Until six.");
  }
}

TEST_CASE("a message that is given up is handed over in silence") {
  Texting texting{false, 1};
  texting.model.script.say("Until six.");
  SUBCASE("when its person has opted out meanwhile") {
    texting.model.script.on_asked = [&] { texting.person().profile.allows_sms = false; };
    CHECK(texting.write_and_refuse("Are you open?") == Kind::parked);
    CHECK(texting.thread() == Texts{"they: Are you open?"});
  }
  SUBCASE("when its person had enough answers within the hour") {
    REQUIRE(texting.write("Are you open?") == Kind::handled);
    CHECK(texting.write_and_refuse("Are you sure?") == Kind::parked);
    CHECK(texting.thread() == Texts{"they: Are you open?", "reply: Until six.", "they: Are you sure?"});
  }
  SUBCASE("when it has no words") {
    texting.refuse_commit();
    CHECK(texting.context.hand(*texting.handler, Texting::whatsapp("")) == Kind::parked);
    CHECK(texting.thread() == Texts{"they: "});
  }
  CHECK(texting.person().session->status == "follow_up");
}

TEST_CASE("a keyword that is given up") {
  Texting texting;
  texting.model.script.say("Until six.");
  REQUIRE(texting.write("Are you open?") == Kind::handled);
  SUBCASE("STOP is obeyed, and not answered") {
    CHECK(texting.write_and_refuse("STOP") == Kind::parked);
    CHECK_FALSE(texting.person().profile.allows_sms);
    CHECK(texting.stored.log.back().text == "STOP");
  }
  SUBCASE("HELP is answered with the fallback text") {
    CHECK(texting.write_and_refuse("HELP") == Kind::parked);
    CHECK(texting.stored.log.back().text == texting.settings.fallback_text);
  }
  CHECK(texting.person().session->status == "follow_up");
}

TEST_CASE("a message is parked even if nothing can be written for it") {
  Texting texting;
  texting.model.script.say("Until six.");
  texting.script.refuses = {"Until six.", texting.settings.fallback_text};
  CHECK(texting.write("Are you open?") == Kind::parked);
  CHECK(texting.context.parked()->error_class() == "database");
  CHECK(texting.thread() == Texts{"they: Are you open?"});
  CHECK(texting.person().session->status == "active");
}

TEST_CASE("a message of an unknown tenant is parked, and tells nobody") {
  Texting texting;
  texting.stored.tenants.clear();
  CHECK(texting.write("Are you open?") == Kind::parked);
  CHECK(texting.context.parked()->error_class() == "unknown_tenant");
  CHECK(texting.stored.people.empty());
  CHECK(texting.context.published_types().empty());
}

TEST_CASE("who was deleted while his message was tried does not come back") {
  Texting texting;
  auto& script = texting.model.script;
  SUBCASE("the person, before the next attempt") {
    script.failure = LlmError{LlmError::Kind::rate_limited, "slow down"};
    REQUIRE(texting.write("Are you open?") == Kind::waits);
    texting.stored.erase_person(phone);
    CHECK(texting.context.try_again() == Kind::parked);
    CHECK(texting.context.parked()->error_class() == "deleted_session");
    CHECK(texting.stored.people.empty());
  }
  SUBCASE("the person, in the last attempt") {
    script.say("Until six.");
    script.on_asked = [&] { texting.stored.erase_person(phone); };
    CHECK(texting.write_and_refuse("Are you open?") == Kind::parked);
    CHECK(texting.stored.people.empty());
  }
  SUBCASE("the session, before the next attempt") {
    script.failure = LlmError{LlmError::Kind::rate_limited, "slow down"};
    REQUIRE(texting.write("Are you open?") == Kind::waits);
    texting.stored.delete_session(phone);
    CHECK(texting.context.try_again() == Kind::parked);
    CHECK_FALSE(texting.person().session);
  }
  SUBCASE("the session, in the last attempt") {
    script.say("Until six.");
    script.on_asked = [&] { texting.stored.delete_session(phone); };
    CHECK(texting.write_and_refuse("Are you open?") == Kind::parked);
    CHECK_FALSE(texting.person().session);
  }
  CHECK(texting.context.published<NotificationRequested>().empty());
}

TEST_CASE("a STOP that is given up is kept") {
  Texting texting;
  SUBCASE("of a person who is not known") {}
  SUBCASE("of a person who is deleted meanwhile") {
    REQUIRE(texting.write("HELP") == Kind::handled);
    texting.stored.erase_person(phone);
  }
  SUBCASE("of a person who is known") {
    REQUIRE(texting.write("HELP") == Kind::handled);
  }
  REQUIRE(texting.write_and_refuse("STOP") == Kind::parked);
  CHECK(texting.stored.suppressed.size() == 1);
}
