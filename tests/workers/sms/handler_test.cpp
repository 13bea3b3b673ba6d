// The SMS worker's handler: what it does with each message.
#include "events/llm.hpp"
#include "observability/metrics.hpp"
#include "tests/workers/sms/texting.hpp"
#include "time/time.hpp"

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::sms;
using namespace omnibus::sms::test;
using Kind = FakeContext::Kind;
using llm::LlmError;

TEST_CASE("a message is answered the way it came, in the person's session") {
  Texting texting;
  texting.context.set_time_ms(1'795'168'800'000);
  texting.model.script.say("Until six.");
  SUBCASE("by SMS") {
    CHECK(texting.write("Are you open?") == Kind::handled);
    CHECK(texting.stored.log.back().channel == "sms");
  }
  SUBCASE("by WhatsApp") {
    CHECK(texting.context.hand(*texting.handler, Texting::whatsapp("Are you open?")) == Kind::handled);
    CHECK(texting.stored.log.back().channel == "whatsapp");
  }
  CHECK(texting.thread() == question_and_answer);
  CHECK(texting.context.published_types() ==
        Texts{"omnibus.llm.call.completed.v1", "omnibus.notification.requested.v1"});
  auto const request = texting.context.published<NotificationRequested>().at(0);
  CHECK(request.domain == "shop.example");
  CHECK(request.profile_id == texting.person().profile.id);
  CHECK(request.session_id == texting.person().session->id);
  CHECK(parse_time_ms(*request.expires_at) == 1'795'168'800'000 + 86'400'000);
  CHECK(texting.context.last_published_key() == to_string(texting.person().profile.id));
}

TEST_CASE("the model is shown what was said before, without the message itself") {
  Texting texting;
  texting.model.script.say("Until six.");
  texting.model.script.say("No.");
  REQUIRE(texting.write("Are you open?") == Kind::handled);
  REQUIRE(texting.write("And on Sunday?") == Kind::handled);
  auto const& prompt = texting.model.script.asked.at(1).messages;
  REQUIRE(prompt.size() == 4);
  CHECK(prompt[1].content == "Are you open?");
  CHECK(prompt[2].content == "Until six.");
  CHECK(prompt[3].content == "And on Sunday?");
}

TEST_CASE("a message that comes a second time is not asked and not answered again") {
  Texting texting;
  texting.model.script.say("Until six.");
  REQUIRE(texting.write("Are you open?") == Kind::handled);
  CHECK(texting.context.come_again() == Kind::handled);
  CHECK(texting.model.asked() == 1);
  CHECK(texting.thread() == question_and_answer);
  CHECK(texting.context.published<NotificationRequested>().size() == 1);
}

TEST_CASE("a model that fails for a while: the message is kept and waits, then it is answered") {
  Texting texting;
  texting.model.script.failure = LlmError{LlmError::Kind::rate_limited, "slow down", std::chrono::seconds{3}};
  auto const waiting = texting.write("Are you open?");
  CHECK(waiting == Kind::waits);
  CHECK(waiting.retry_after == std::chrono::seconds{3});
  CHECK(texting.thread() == Texts{"they: Are you open?"});
  texting.model.script.failure.reset();
  texting.model.script.say("Until six.");
  CHECK(texting.context.try_again() == Kind::handled);
  CHECK(texting.thread() == question_and_answer);
}

TEST_CASE("an answer without words is none: the fallback text, and a person is to come back") {
  for (auto const* const nothing : {"", " \n"}) {
    Texting texting;
    texting.model.script.say(nothing);
    CHECK(texting.write("Are you open?") == Kind::handled);
    CHECK(texting.thread().back() == "reply: " + texting.settings.fallback_text);
    CHECK(texting.context.published_now<LlmCallFailed>().at(0).error_type == "no_words");
  }
  Texting texting;
  CHECK(texting.write(" \n") == Kind::handled);
  CHECK(texting.model.asked() == 0);
}

TEST_CASE("a model that says come back tomorrow: the fallback text at once") {
  Texting texting;
  texting.model.script.failure = LlmError{LlmError::Kind::rate_limited, "slow down", std::chrono::hours{24}};
  CHECK(texting.write("Are you open?") == Kind::handled);
  CHECK(texting.thread().back() == "reply: " + texting.settings.fallback_text);
}

TEST_CASE("a prompt that is too long is asked again with less of the history, and tools work once") {
  Texting texting;
  texting.settings.history_tokens = 100;
  texting.model.script.call_tool("session_add_context", R"({"context":{"price":"250k"}})");
  texting.model.script.say("Noted.");
  REQUIRE(texting.write("Please set the price to 250k") == Kind::handled);
  texting.model.script.failures.push_back(LlmError{LlmError::Kind::context_length, "too long"});
  texting.model.script.say("Until six.");
  CHECK(texting.write("Are you open?") == Kind::handled);
  CHECK(texting.thread().back() == "reply: Until six.");
}

TEST_CASE("tool calls and results go back so that every endpoint takes them") {
  Texting texting;
  texting.model.script.call_tool("session_add_context", "set the price");  // no JSON
  texting.model.script.say("Noted.");
  REQUIRE(texting.write("Please set the price to 250k") == Kind::handled);
  auto const& second = texting.model.script.asked.at(1).messages;
  REQUIRE(second.size() == 4);
  CHECK(second[2].role == "assistant");
  CHECK(second[2].tool_calls.at(0).id == second[3].tool_call_id);
  CHECK(second[3].content.find("error") != std::string::npos);
}

TEST_CASE("a model that fails for good, or stays away: the fallback text, and a person is to come back") {
  Texting texting;
  SUBCASE("for good") {
    texting.model.script.failure = LlmError{LlmError::Kind::invalid_request, "unknown model"};
    CHECK(texting.write("Are you open?") == Kind::handled);
  }
  SUBCASE("for too long") {
    texting.model.script.failure = LlmError{LlmError::Kind::unavailable, "no connection"};
    REQUIRE(texting.write("Are you open?") == Kind::waits);
    CHECK(texting.context.try_until_over(std::chrono::seconds{10}) == Kind::handled);
  }
  CHECK(texting.thread() == Texts{"they: Are you open?", "reply: " + texting.settings.fallback_text});
  CHECK(texting.person().session->status == "follow_up");
}

TEST_CASE("a tool round: what the model keeps and sends takes effect with its answer") {
  Texting texting;
  auto& script = texting.model.script;
  script.call_tool("session_add_context", R"({"context":{"price":"250k"}})");
  script.call_tool("messaging_send_whatsapp", R"({"body":"See the listing."})");
  script.say("Done.");
  texting.context.fail_next_commit(Failure::outage("the database is away"));
  CHECK(texting.write("Change price to 250k") == Kind::outage);
  CHECK(texting.person().session->context == "{}");
  CHECK(texting.context.try_again() == Kind::handled);
  CHECK(texting.model.asked() == 3);  // each round was paid for once
  CHECK(script.asked[1].messages.back().role == "tool");
  CHECK(script.asked[1].messages.back().content == R"({"kept":true})");
  CHECK(texting.person().session->context == R"({"price":"250k"})");
  CHECK(texting.thread() == Texts{"they: Change price to 250k", "reply: Done.", "message: See the listing."});
  CHECK(texting.stored.log.back().channel == "whatsapp");
}

TEST_CASE("a model that calls tools for ever has to answer after the last round") {
  Texting texting;
  for (int i = 0; i < texting.settings.tool_rounds; ++i) texting.model.script.call_tool("session_get_context", "{}");
  texting.model.script.say("Done.");
  CHECK(texting.write("Hello") == Kind::handled);
  REQUIRE(texting.model.asked() == 5);
  CHECK_FALSE(texting.model.script.asked[3].tools.empty());
  CHECK(texting.model.script.asked[4].tools.empty());
}

TEST_CASE("STOP, HELP and START are obeyed and answered without a model") {
  Texting texting;
  CHECK(texting.write("STOP") == Kind::handled);
  CHECK_FALSE(texting.person().profile.allows_sms);
  CHECK(texting.person().profile.allows_whatsapp);
  CHECK(texting.stored.log.back().text == texting.settings.opt_out_text);
  CHECK(texting.write("stop.") == Kind::handled);
  CHECK(texting.context.published<NotificationRequested>().size() == 1);  // told before
  CHECK(texting.write("HELP") == Kind::handled);
  CHECK(texting.stored.log.back().text == texting.settings.help_text);
  CHECK(texting.write("START") == Kind::handled);
  CHECK(texting.person().profile.allows_sms);
  CHECK(texting.stored.log.back().text == texting.settings.opt_in_text);
  CHECK(texting.model.asked() == 0);
}

TEST_CASE("a STOP is kept by its sender's key and channel until START") {
  Texting texting;
  REQUIRE(texting.write("STOP") == Kind::handled);
  REQUIRE(texting.stored.suppressed.size() == 1);
  CHECK(texting.stored.suppressed.begin()->first == "sms");
  auto const key = texting.stored.suppressed.begin()->second;
  texting.stored.erase_person(phone);
  CHECK(texting.stored.suppressed.contains({"sms", key}));
  REQUIRE(texting.write("START") == Kind::handled);
  CHECK(texting.stored.suppressed.empty());
}

TEST_CASE("who has opted out is kept and not answered") {
  Texting texting;
  REQUIRE(texting.write("STOP") == Kind::handled);
  CHECK(texting.write("Are you open?") == Kind::handled);
  CHECK(texting.model.asked() == 0);
  CHECK(texting.stored.log.back().text == "Are you open?");
}

TEST_CASE("who had enough answers within the hour is kept and not answered, by keyword or model") {
  Texting texting{false, 1};
  texting.model.script.say("Until six.");
  REQUIRE(texting.write("Are you open?") == Kind::handled);
  CHECK(texting.write("Are you sure?") == Kind::handled);
  CHECK(texting.write("HELP") == Kind::handled);
  CHECK(texting.model.asked() == 1);
  CHECK(texting.thread() == Texts{"they: Are you open?", "reply: Until six.", "they: Are you sure?", "they: HELP"});
}

TEST_CASE("a message without words is kept and not answered") {
  Texting texting;
  CHECK(texting.context.hand(*texting.handler, Texting::whatsapp("")) == Kind::handled);
  CHECK(texting.model.asked() == 0);
  CHECK(texting.thread() == Texts{"they: "});
}

TEST_CASE("an SMS from a short code or a name is kept, and the tenant is told that it cannot be answered") {
  Texting texting;
  auto message = Texting::sms("Your balance is low.");
  message.phone_number.reset();
  message.sender = "EasyMO";
  CHECK(texting.context.hand(*texting.handler, message) == Kind::handled);
  CHECK(texting.thread() == Texts{"they: Your balance is low."});
  CHECK(texting.model.asked() == 0);
  CHECK(texting.context.published<NotificationRequested>().empty());
  auto const told = texting.context.published<NotificationSkipped>();
  REQUIRE(told.size() == 1);
  CHECK(told[0].reason == "no_phone_number");
  CHECK(told[0].channel == "sms");
  CHECK(told[0].profile_id == texting.stored.people.at("EasyMO").profile.id);
  CHECK(texting.context.last_published_key() == to_string(told[0].profile_id));
  CHECK(texting.context.come_again() == Kind::handled);
  CHECK(texting.context.published<NotificationSkipped>().size() == 1);
}

TEST_CASE("a reaction is kept and not answered; a picture is answered") {
  Texting texting;
  texting.model.script.say("I cannot see pictures.");
  auto message = Texting::whatsapp("[reaction] 👍");
  message.kind = "reaction";
  CHECK(texting.context.hand(*texting.handler, message) == Kind::handled);
  CHECK(texting.model.asked() == 0);
  message = Texting::whatsapp("[image]");
  message.kind = "image";
  CHECK(texting.context.hand(*texting.handler, message) == Kind::handled);
  CHECK(texting.thread() == Texts{"they: [reaction] 👍", "they: [image]", "reply: I cannot see pictures."});
}

TEST_CASE("in a replay nobody is answered again") {
  Texting texting{true};
  CHECK(texting.write("Are you open?") == Kind::handled);
  CHECK(texting.context.passed_over() == "nobody is answered again");
  CHECK(texting.stored.people.empty());
  CHECK(texting.context.published_types().empty());
}

TEST_CASE("a tick closes every session that has expired, each once, and counts its age") {
  Texting texting;
  auto& expired = texting.stored.expired;
  expired.assign(2'500, 25 * 3600.0);
  auto const counted = [] {
    auto const text = Metrics::process().exposition();
    auto const at = text.find("session_duration_seconds_count ");
    return at == std::string::npos ? 0 : std::stoi(text.substr(at + 31));
  };
  auto const before = counted();
  auto const tick = TickSessionsCleanup{{"2026-11-29T03:00:00Z", 0}};
  SUBCASE("at once") {
    CHECK(texting.context.hand(*texting.handler, tick) == Kind::handled);
  }
  SUBCASE("in a second attempt, where the first one ended between two batches") {
    texting.context.fail_next_commit(Failure::transient("the database went away"));
    CHECK(texting.context.hand(*texting.handler, tick) == Kind::waits);
    CHECK(expired.empty());
    CHECK(texting.context.try_again() == Kind::handled);
  }
  CHECK(expired.empty());
  CHECK(counted() - before == 2'500);
  CHECK(texting.context.come_again() == Kind::handled);
  CHECK(counted() - before == 2'500);
}

TEST_CASE("in a replay no session is closed") {
  Texting texting{true};
  texting.stored.expired = {1.0};
  CHECK(texting.context.hand(*texting.handler, TickSessionsCleanup{{"2026-11-29T03:00:00Z", 0}}) == Kind::handled);
  CHECK(texting.stored.expired.size() == 1);
}
