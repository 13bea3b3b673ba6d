// The call worker's handler without engine, broker, database and model.
#include "workers/call/handler.hpp"

#include "events/llm.hpp"
#include "handler/fake_context.hpp"
#include "tests/common/assistant/fake_answers.hpp"
#include "tests/workers/call/fake_calls.hpp"
#include "time/time.hpp"

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::call;
using namespace omnibus::call::test;
using Kind = FakeContext::Kind;
using llm::LlmError;
using Texts = std::vector<std::string>;

namespace {

constexpr auto phone = "+250788123456";

struct EndedCall {
  explicit EndedCall(bool replay = false) {
    context.keep_consistent(stored);
    if (replay) context.replay();
    handler.emplace(settings, std::make_unique<FakeCalls>(stored, script), replay ? nullptr : model.make(settings));
  }

  auto hand() { return context.hand(*handler, call); }
  auto& person() { return stored.people[phone]; }
  /// What the person gets.
  Texts told() const {
    Texts texts;
    for (auto const& [key, request] : stored.deliveries) texts.push_back(request.body);
    return texts;
  }
  /// The database refuses the commit for good, and goes on refusing it.
  auto hand_and_refuse() {
    context.fail_next_commit(Failure::permanent("the database refused the change", "database"));
    return hand();
  }

  CallSettings settings;
  CallTerminated call{"shop.example", "call-1", phone, {}, {}};
  FakeContext context{"call"};
  Calls stored;
  FakeCalls::Script script;
  assistant::test::FakeModel model{context};
  std::optional<CallHandler> handler;
};

/// A call of which there is a transcript.
struct TranscribedCall : EndedCall {
  TranscribedCall() { call.transcript = std::vector<Utterance>{{"user", "Two mochas."}, {"assistant", "Done."}}; }
};

}  // namespace

TEST_CASE_FIXTURE(TranscribedCall, "a summary without words is none: the person gets the general text") {
  model.script.say(" \n");
  CHECK(hand() == Kind::handled);
  CHECK(told() == Texts{settings.generic_text});
  CHECK(context.published_now<LlmCallFailed>().at(0).error_type == "no_words");
}

TEST_CASE_FIXTURE(TranscribedCall, "a transcript that is too long is summarised from its end") {
  call.transcript->insert(call.transcript->begin(), 100, Utterance{"user", std::string(200, 'x')});
  model.script.failures.push_back(LlmError{LlmError::Kind::context_length, "too long"});
  model.script.say("Two mochas.");
  CHECK(hand() == Kind::handled);
  CHECK(told() == Texts{"Two mochas."});
  CHECK(model.script.asked.at(1).messages.at(1).content.size() <
        model.script.asked.at(0).messages.at(1).content.size());
}

TEST_CASE("a call with a summary: a session to be followed up, and the summary over both channels") {
  EndedCall ended;
  ended.call.summary = "You ordered two mochas.";
  ended.context.set_time_ms(1'795'168'800'000);
  CHECK(ended.hand() == Kind::handled);
  REQUIRE(ended.person().session);
  CHECK(ended.person().session->status == "follow_up");
  CHECK(ended.person().session->call_id == "call-1");
  CHECK(ended.person().told == "You ordered two mochas.");
  auto const requests = ended.context.published<NotificationRequested>();
  REQUIRE(requests.size() == 1);
  CHECK(requests[0].domain == "shop.example");
  CHECK(requests[0].profile_id == ended.person().profile_id);
  CHECK(requests[0].kind == "call_summary");
  CHECK(requests[0].channels == Texts{"whatsapp", "sms"});
  CHECK(requests[0].body == "You ordered two mochas.");
  CHECK(requests[0].session_id == ended.person().session->id);
  CHECK(parse_time_ms(*requests[0].expires_at) == 1'795'168'800'000 + 86'400'000);
  CHECK(ended.context.last_published_key() == to_string(ended.person().profile_id));
  CHECK(ended.model.asked() == 0);
}

TEST_CASE("a call without one: the summary of call_summaries, when somebody has written it") {
  EndedCall ended;
  ended.stored.summaries["call-1"] = "You ordered a cake.";
  CHECK(ended.hand() == Kind::handled);
  CHECK(ended.told() == Texts{"You ordered a cake."});
}

TEST_CASE("a call with a transcript: a model writes the summary") {
  TranscribedCall ended;
  ended.model.script.say("You ordered two mochas.");
  CHECK(ended.hand() == Kind::handled);
  CHECK(ended.told() == Texts{"You ordered two mochas."});
  REQUIRE(ended.model.asked() == 1);
  CHECK(ended.model.script.asked[0].messages.back().content == "user: Two mochas.\nassistant: Done.\n");
  CHECK(ended.context.published_types() == Texts{"omnibus.llm.call.completed.v1", "omnibus.notification.requested.v1"});
}

TEST_CASE("a call that comes a second time is not summarised and not told again") {
  TranscribedCall ended;
  ended.model.script.say("You ordered two mochas.");
  REQUIRE(ended.hand() == Kind::handled);
  CHECK(ended.context.come_again() == Kind::handled);
  CHECK(ended.model.asked() == 1);
  CHECK(ended.context.published<NotificationRequested>().size() == 1);
}

TEST_CASE("a summary that is not written yet is waited for, and then a text that fits every call is sent") {
  EndedCall ended;
  auto const waiting = ended.hand();
  CHECK(waiting == Kind::waits);
  CHECK(waiting.retry_after == ended.settings.call_summary_wait / 6);
  SUBCASE("it comes in time") {
    ended.stored.summaries["call-1"] = "You ordered a cake.";
    CHECK(ended.context.try_again() == Kind::handled);
    CHECK(ended.told() == Texts{"You ordered a cake."});
  }
  SUBCASE("it never comes") {
    CHECK(ended.context.try_until_over(*waiting.retry_after) == Kind::handled);
    CHECK(ended.context.failing_for() <= ended.settings.call_summary_wait);
    CHECK(ended.told() == Texts{ended.settings.generic_text});
    CHECK_FALSE(ended.person().told);
  }
}

TEST_CASE("a model that fails for a while: the call waits, then it is summarised") {
  TranscribedCall ended;
  ended.model.script.failure = LlmError{LlmError::Kind::rate_limited, "slow down", std::chrono::seconds{3}};
  auto const waiting = ended.hand();
  CHECK(waiting == Kind::waits);
  CHECK(waiting.retry_after == std::chrono::seconds{3});
  CHECK(ended.told().empty());
  ended.model.script.failure.reset();
  ended.model.script.say("You ordered two mochas.");
  CHECK(ended.context.try_again() == Kind::handled);
  CHECK(ended.told() == Texts{"You ordered two mochas."});
}

TEST_CASE("a model that fails for good, or stays away: the person gets a text that fits every call") {
  TranscribedCall ended;
  SUBCASE("for good") {
    ended.model.script.failure = LlmError{LlmError::Kind::context_length, "too long"};
    CHECK(ended.hand() == Kind::handled);
  }
  SUBCASE("for too long") {
    ended.model.script.failure = LlmError{LlmError::Kind::unavailable, "no connection"};
    REQUIRE(ended.hand() == Kind::waits);
    CHECK(ended.context.try_until_over(std::chrono::seconds{10}) == Kind::handled);
  }
  CHECK(ended.told() == Texts{ended.settings.generic_text});
  CHECK(ended.person().session->status == "follow_up");
}

TEST_CASE("a summary that was paid for is kept when the commit fails, and not asked for again") {
  TranscribedCall ended;
  ended.model.script.say("You ordered two mochas.");
  ended.context.fail_next_commit(Failure::outage("the database is away"));
  CHECK(ended.hand() == Kind::outage);
  CHECK(ended.stored.people.empty());
  CHECK(ended.told().empty());
  CHECK(ended.context.try_again() == Kind::handled);
  CHECK(ended.model.asked() == 1);
  CHECK(ended.told() == Texts{"You ordered two mochas."});
}

TEST_CASE(
    "a call that is given up: the session is to be followed up, and the person gets a text that fits every call") {
  EndedCall ended;
  ended.call.summary = "You ordered two mochas.";
  CHECK(ended.hand_and_refuse() == Kind::parked);
  REQUIRE(ended.context.parked());
  CHECK(ended.context.parked()->error_class() == "database");
  REQUIRE(ended.person().session);
  CHECK(ended.person().session->status == "follow_up");
  CHECK_FALSE(ended.person().told);
  auto const requests = ended.context.published<NotificationRequested>();
  REQUIRE(requests.size() == 1);
  CHECK(requests[0].kind == "call_summary");
  CHECK(requests[0].body == ended.settings.generic_text);

  SUBCASE("sent again and parked again, it is told once") {
    ended.context.fail_next_commit(Failure::permanent("the database refused the change", "database"));
    CHECK(ended.context.redrive() == Kind::parked);
    CHECK(ended.told() == Texts{ended.settings.generic_text});
  }
  SUBCASE("sent again and handled, its summary is told as well") {
    CHECK(ended.context.redrive() == Kind::handled);
    CHECK(ended.stored.deliveries.size() == 2);
    CHECK(ended.person().told == "You ordered two mochas.");
  }
}

TEST_CASE("a call of an unknown tenant is parked, and tells nobody") {
  EndedCall ended;
  ended.call.summary = "You ordered two mochas.";
  ended.stored.tenants.clear();
  CHECK(ended.hand() == Kind::parked);
  CHECK(ended.context.parked()->error_class() == "unknown_tenant");
  CHECK(ended.stored.people.empty());
  CHECK(ended.context.published_types().empty());
}

TEST_CASE("a call is parked even if nothing can be written for it") {
  EndedCall ended;
  ended.call.summary = "You ordered two mochas.";
  ended.script.refuses = {"You ordered two mochas.", ended.settings.generic_text};
  CHECK(ended.hand() == Kind::parked);
  CHECK(ended.context.parked()->error_class() == "database");
  CHECK(ended.stored.people.empty());
  CHECK(ended.context.published_types().empty());
}

TEST_CASE("a person who was deleted after a call does not come back when the call's event comes again") {
  EndedCall ended;
  ended.call.summary = "You ordered two mochas.";
  REQUIRE(ended.hand() == Kind::handled);
  ended.stored.people.clear();
  ended.stored.deliveries.clear();
  CHECK(ended.context.come_again() == Kind::handled);
  CHECK(ended.stored.people.empty());
  CHECK(ended.told().empty());
}

TEST_CASE("a session that was deleted while the model was asked is opened anew") {
  TranscribedCall ended;
  ended.person().session.emplace().id = random_uuid();
  auto const before = ended.person().session->id;
  ended.model.script.say("You ordered two mochas.");
  ended.model.script.on_asked = [&] { ended.person().session.reset(); };
  CHECK(ended.hand() == Kind::handled);
  REQUIRE(ended.person().session);
  CHECK(ended.person().session->id != before);
  CHECK(ended.told() == Texts{"You ordered two mochas."});
}

TEST_CASE("a replay tells nobody of a call again") {
  EndedCall ended{true};
  ended.call.summary = "You ordered two mochas.";
  CHECK(ended.hand() == Kind::handled);
  CHECK(ended.context.passed_over() == "nobody is told of a call again");
  CHECK(ended.stored.people.empty());
  CHECK(ended.context.published_types().empty());
}
