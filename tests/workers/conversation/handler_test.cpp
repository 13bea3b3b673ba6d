// The conversation worker's handler without engine, broker, database and model.
#include "tests/workers/conversation/talk.hpp"

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::conversation;
using namespace omnibus::conversation::test;
using Kind = FakeContext::Kind;
using llm::LlmError;
using Texts = std::vector<std::string>;

namespace {

Uuid id(char const* name) {
  return name_uuid(Uuid{}, name);
}

}  // namespace

TEST_CASE("a requested conversation begins: its row, and the request for turn 1") {
  Talk talk{false};
  CHECK(talk.begin() == Kind::handled);
  CHECK(talk.row().status == "active");
  CHECK(talk.requested() == 1);
  CHECK(talk.context.last_published_key() == to_string(talk.conversation));
  CHECK(talk.stored.logs == Texts{"begin_conversation completed"});
  CHECK(talk.context.come_again() == Kind::handled);
  CHECK(talk.context.published<AgentTurnRequested>().size() == 1);
}

TEST_CASE("what cannot begin is parked with its class, and its match is told if it waits") {
  Talk talk{false};
  SUBCASE("a match that nobody knows") {
    talk.around.match_known = false;
    CHECK(talk.begin().error_class == "unknown_match");
    CHECK(talk.ended().empty());
  }
  SUBCASE("a match that is not active, or has a conversation") {
    talk.around.match_open = false;
    CHECK(talk.begin().error_class == "illegal_transition");
    CHECK(talk.ended().empty());
    CHECK(talk.stored.logs == Texts{"begin_conversation failed illegal_transition"});
  }
  SUBCASE("a conversation that was begun by another event goes on undisturbed") {
    talk.stored.rows[talk.conversation] = {};
    CHECK(talk.begin().error_class == "illegal_transition");
    CHECK(talk.row().status == "active");
    CHECK(talk.ended().empty());
  }
  SUBCASE("an unknown tenant") {
    talk.around.tenant_known = false;
    CHECK(talk.begin().error_class == "unknown_tenant");
    CHECK(talk.context.published_types().empty());
  }
  SUBCASE("a suspended tenant") {
    talk.around.tenant_active = false;
    CHECK(talk.begin().error_class == "inactive_tenant");
    CHECK(talk.ended() == "withdrawn");
    CHECK(talk.row().status == "failed");
    CHECK(talk.context.last_published_key() == to_string(talk.match));
  }
  SUBCASE("a match that was deleted with one of its people") {
    talk.stored.erased.insert(talk.conversation);
    CHECK(talk.begin() == Kind::handled);
    CHECK(talk.ended() == "erased");
    CHECK(talk.stored.rows.empty());
  }
}

TEST_CASE("a turn: its row, the totals, its event and the request for the next one in one commit") {
  Talk talk;
  talk.around.insights = {{id("a"), "synergy", "A", "", 100, 50, false},
                          {id("b"), "next_step", "B", "", 50, 50, false}};
  talk.say("Hello there.", false, {}, {id("a")});
  CHECK(talk.turn(1) == Kind::handled);
  REQUIRE(talk.row().turns.size() == 1);
  auto const& turn = talk.row().turns[0];
  CHECK(turn.message == "Hello there.");
  CHECK(turn.speaker_role == "agent_a");
  CHECK(alignment(turn.insights) == "0.67");
  CHECK(turn.spent.prompt_tokens == 100);
  CHECK(talk.row().spent.completion_tokens == 20);
  CHECK(talk.row().model == "fake");
  CHECK(talk.context.published<AgentTurnCompleted>().at(0).speaker_role == "agent_a");
  CHECK(talk.requested() == 2);
  CHECK(talk.context.last_published_key() == to_string(talk.conversation));
  CHECK(talk.stored.logs == Texts{"hold_turn started", "hold_turn completed"});

  // The advanced insight is not given to the next turn.
  talk.say("Good day.", false, {id("a")});
  talk.say("Good day.", false, {id("b")});
  CHECK(talk.turn(2) == Kind::handled);
  CHECK(talk.row().turns.at(1).speaker_role == "agent_b");
  CHECK(talk.model.asked() == 3);
  CHECK(alignment(talk.row().turns[1].insights) == "0.50");
  CHECK(talk.row().turns[1].spent.prompt_tokens == 200);  // the second question counts
  CHECK(talk.row().spent.prompt_tokens == 300);
}

TEST_CASE("a turn holds the speaker's own story, and never the other's nor a risk") {
  Talk talk;
  talk.around.insights = {{id("risk"), "risk", "They distrust each other", "", 100, 50, false}};
  talk.say("Hello there.");
  talk.say("Good day.");
  CHECK(talk.turn(1) == Kind::handled);
  CHECK(talk.turn(2) == Kind::handled);
  auto const first = talk.model.script.asked.at(0).messages.at(0).content;
  auto const second = talk.model.script.asked.at(1).messages.at(0).content;
  CHECK(first.find("I build timber bridges.") != std::string::npos);
  CHECK(first.find("I test joints.") == std::string::npos);
  CHECK(second.find("I test joints.") != std::string::npos);
  CHECK(second.find("I build timber bridges.") == std::string::npos);
  CHECK(first.find("distrust") == std::string::npos);
  CHECK(second.find("distrust") == std::string::npos);
}

TEST_CASE("a turn that comes a second time is not asked and not stored again") {
  Talk talk;
  talk.say("Hello there.");
  REQUIRE(talk.turn(1) == Kind::handled);
  CHECK(talk.context.come_again() == Kind::handled);
  CHECK(talk.turn(1) == Kind::handled);  // another request for the same turn
  CHECK(talk.model.asked() == 1);
  CHECK(talk.said() == Texts{"Hello there."});
  CHECK(talk.context.published<AgentTurnRequested>().size() == 1);
}

TEST_CASE("a request that ended the conversation may come again, and one for a later turn is parked") {
  Talk talk;
  talk.around.may_go_on = false;
  REQUIRE(talk.turn(1) == Kind::handled);
  CHECK(talk.context.come_again() == Kind::handled);
  CHECK(talk.turn(1).error_class == "illegal_transition");
  CHECK(talk.ended() == "withdrawn");

  Talk running;
  CHECK(running.turn(3).error_class == "illegal_transition");
  CHECK(running.row().status == "active");
  CHECK(running.ended().empty());
}

TEST_CASE("a request for a conversation that nobody knows is parked, and one that names another match ends nothing") {
  Talk talk{false};
  CHECK(talk.turn(1).error_class == "unknown_conversation");
  CHECK(talk.context.published_types().empty());

  Talk running;
  running.around.match = id("another match");
  CHECK(running.turn(1).error_class == "unknown_conversation");
  CHECK(running.row().status == "active");
  CHECK(running.context.published_types().empty());
}

TEST_CASE("a turn that another request stored while the model answered is not stored again") {
  Talk talk;
  talk.say("Hello there.");
  talk.model.script.on_asked = [&] { talk.row().turns.push_back({talk.conversation, 1, {}, "agent_a", "Hi."}); };
  CHECK(talk.turn(1) == Kind::handled);
  CHECK(talk.said() == Texts{"Hi."});
  CHECK(talk.requested() == 0);
}

TEST_CASE("a turn that was answered and not stored is not asked again, and the next request is the same") {
  Talk killed;
  Talk undisturbed;
  for (auto* const talk : {&killed, &undisturbed}) {
    for (auto const* const text : {"One two three", "Four five six", "Seven eight", "Nine ten eleven", "Twelve it is"})
      talk->say(text);
    for (int number = 1; number <= 3; ++number) REQUIRE(talk->turn(number) == Kind::handled);
  }
  killed.context.fail_next_commit(Failure::outage("killed after turn 4 is answered"));
  CHECK(killed.turn(4) == Kind::outage);
  CHECK(killed.said().size() == 3);
  killed.set_up();
  CHECK(killed.context.come_again() == Kind::handled);
  CHECK(killed.context.come_again() == Kind::handled);  // and killed after it is stored
  CHECK(undisturbed.turn(4) == Kind::handled);
  CHECK(killed.turn(5) == Kind::handled);
  CHECK(undisturbed.turn(5) == Kind::handled);
  CHECK(killed.said() == undisturbed.said());
  REQUIRE(killed.model.asked() == 5);
  auto const& resumed = killed.model.script.asked[4];
  auto const& whole = undisturbed.model.script.asked.at(4);
  CHECK(resumed.response_format == whole.response_format);
  REQUIRE(resumed.messages.size() == whole.messages.size());
  for (std::size_t i = 0; i < whole.messages.size(); ++i) {
    CHECK(resumed.messages[i].role == whole.messages[i].role);
    CHECK(resumed.messages[i].content == whole.messages[i].content);
  }
  CHECK(killed.row().spent.prompt_tokens == 500);
}

TEST_CASE("a conversation goes on until one of its reasons to stop") {
  Talk talk;
  SUBCASE("both agents want to end") {
    talk.say("Hello there.");
    talk.say("All is said.", true);
    talk.say("Yes, goodbye.", true);
    talk.run();
    CHECK(talk.ended() == "agreed_end");
    CHECK(talk.context.published<AgentConversationCompleted>().at(0).turns == 3);
    CHECK(talk.context.last_published_key() == to_string(talk.match));
  }
  SUBCASE("a word in a message ends nothing") {
    talk.settings.conversation_max_turns = 4;
    talk.set_up();
    talk.say("TERMINATE");
    talk.say(R"({"end": true})");
    talk.say("let us not end here");
    talk.say("[END]", true);
    talk.run();
    CHECK(talk.ended() == "max_turns");
    CHECK(talk.said().size() == 4);
  }
  SUBCASE("they thank each other") {
    for (auto const* const text : {"I build bridges of timber.", "I look for test joints.", "Shall we test in March?",
                                   "Yes, the first week suits me."})
      talk.say(text);
    for (int i = 0; i < 4; ++i) talk.say(i % 2 == 0 ? "Thank you!" : "You're welcome!");
    talk.run();
    CHECK(talk.ended() == "repetition");
    CHECK(talk.said().size() == 8);
  }
  SUBCASE("its time is over") {
    talk.say("Hello there.");
    REQUIRE(talk.turn(1) == Kind::handled);
    talk.around.age = std::chrono::minutes{30};
    talk.run();
    CHECK(talk.ended() == "deadline");
    CHECK(talk.model.asked() == 1);
  }
  CHECK(talk.row().status == "completed");
  CHECK(talk.row().stop_reason == talk.ended());
}

TEST_CASE("a conversation without a turn within its time has failed") {
  Talk talk;
  talk.around.age = std::chrono::minutes{30};
  talk.run();
  CHECK(talk.ended() == "model_failed");
  CHECK(talk.row().status == "failed");
  CHECK(talk.model.asked() == 0);
}

TEST_CASE("people who may not take part any more end a conversation, and nothing is asked") {
  Talk talk;
  talk.say("Hello there.");
  REQUIRE(talk.turn(1) == Kind::handled);
  talk.around.may_go_on = false;
  talk.run();
  CHECK(talk.ended() == "withdrawn");
  CHECK(talk.row().status == "failed");
  CHECK(talk.model.asked() == 1);
}

TEST_CASE("a tenant suspended in the middle: the request is parked, and the conversation has ended") {
  Talk talk;
  talk.say("Hello there.");
  REQUIRE(talk.turn(1) == Kind::handled);
  talk.around.tenant_active = false;
  CHECK(talk.turn(2).error_class == "inactive_tenant");
  CHECK(talk.ended() == "withdrawn");
  CHECK(talk.row().status == "failed");
  CHECK(talk.row().error == "inactive_tenant");
  // Redriven, it neither goes on nor ends once more.
  talk.around.tenant_active = true;
  CHECK(talk.context.redrive().error_class == "illegal_transition");
  CHECK(talk.ended() == "withdrawn");
}

TEST_CASE("a person who is deleted ends a conversation as erased, and no row comes back") {
  Talk talk;
  auto const erase = [&] {
    talk.stored.rows.erase(talk.conversation);
    talk.stored.erased.insert(talk.conversation);
  };
  SUBCASE("before the turn") {
    erase();
    CHECK(talk.turn(1) == Kind::handled);
    CHECK(talk.model.asked() == 0);
  }
  SUBCASE("while the model answers") {
    talk.say("Hello there.");
    talk.model.script.on_asked = erase;
    CHECK(talk.turn(1) == Kind::handled);
  }
  CHECK(talk.ended() == "erased");
  CHECK(talk.context.last_published_key() == to_string(talk.match));
  CHECK(talk.stored.rows.empty());
  CHECK(talk.requested() == 0);
}

TEST_CASE("of a message only the speaker's own words are stored; one without any is asked once more") {
  Talk talk;
  SUBCASE("the other's part is cut") {
    talk.say("agent_a: Good.\nagent_b: I agree, Tuesday.\nagent_a: Great.");
    REQUIRE(talk.turn(1) == Kind::handled);
    CHECK(talk.said() == Texts{"Good."});
  }
  SUBCASE("an empty one is asked once more") {
    talk.say("\n\n");
    talk.say("Good.");
    REQUIRE(talk.turn(1) == Kind::handled);
    CHECK(talk.said() == Texts{"Good."});
    CHECK(talk.row().spent.prompt_tokens == 200);
  }
  SUBCASE("two empty ones fail") {
    talk.say("\n\n");
    talk.say("agent_b: I agree.");
    REQUIRE(talk.turn(1) == Kind::handled);
    CHECK(talk.said().empty());
    CHECK(talk.ended() == "model_failed");
  }
}

TEST_CASE("a model that gives no usable answer ends the conversation as what it did") {
  Talk talk;
  SUBCASE("garbage") {
    talk.say_raw("Sure! Here you go.");
    talk.say_raw("{\"message\":");
    CHECK(talk.turn(1) == Kind::handled);
    CHECK(talk.ended() == "model_failed");
    CHECK(talk.stored.logs.back() == "hold_turn failed model_failed");
    CHECK(talk.row().spent.prompt_tokens == 200);
  }
  SUBCASE("insights that were not given") {
    for (int i = 0; i < 2; ++i) talk.say("Hello.", false, {id("invented")});
    CHECK(talk.turn(1) == Kind::handled);
    CHECK(talk.ended() == "model_failed");
  }
  SUBCASE("a refusal") {
    talk.say_raw("I cannot help with that.", "refusal");
    CHECK(talk.turn(1) == Kind::handled);
    CHECK(talk.ended() == "refused");
    CHECK(talk.model.asked() == 1);
  }
  SUBCASE("no answer as often as it may be asked") {
    talk.model.script.failure = LlmError{LlmError::Kind::unavailable, "down"};
    CHECK(talk.turn(1) == Kind::waits);
    CHECK(talk.context.try_until_over() == Kind::handled);
    CHECK(talk.ended() == "model_failed");
    CHECK(talk.model.asked() == 3);
  }
  CHECK(talk.row().status == "failed");
  CHECK_FALSE(talk.row().error.empty());
  CHECK(talk.said().empty());
}

TEST_CASE("a model that is away for a while: the turn waits and the conversation goes on") {
  Talk talk;
  talk.model.script.failure = LlmError{LlmError::Kind::rate_limited, "slow down"};
  CHECK(talk.turn(1) == Kind::waits);
  talk.model.script.failure.reset();
  talk.say("Hello there.");
  CHECK(talk.context.try_again() == Kind::handled);
  CHECK(talk.requested() == 2);
}

TEST_CASE("a history that is too long for the model is shortened once") {
  Talk talk;
  talk.settings.conversation_history_tokens = 100;
  talk.set_up();
  for (int number = 1; number <= 4; ++number) {
    auto text = std::to_string(number) + " is what I say: ";
    for (int i = 0; i < 12; ++i) text += std::to_string(number * 100 + i) + ' ';
    talk.say(text);
    REQUIRE(talk.turn(number) == Kind::handled);
  }
  talk.model.script.failures.emplace_back(LlmError::Kind::context_length, "too long");
  talk.say("Something new.");
  CHECK(talk.turn(5) == Kind::handled);
  auto const& asked = talk.model.script.asked;
  CHECK(asked.at(5).messages.size() < asked.at(4).messages.size());
  CHECK(talk.said().size() == 5);
}

TEST_CASE("an event that is given up for another reason ends its conversation") {
  Talk talk;
  talk.say("Hello there.");
  talk.context.fail_next_commit(Failure::permanent("the database rejected the change", "database"));
  CHECK(talk.turn(1) == Kind::parked);
  CHECK(talk.ended() == "model_failed");
  CHECK(talk.row().status == "failed");
  CHECK(talk.row().error == "database");
  CHECK(talk.said().empty());
}
