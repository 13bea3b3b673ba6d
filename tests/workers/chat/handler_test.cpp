// The chat worker's handler without engine, broker, database and model.
#include "events/llm.hpp"
#include "observability/metrics.hpp"
#include "tests/workers/chat/chatting.hpp"

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::chat;
using namespace omnibus::chat::test;
using Kind = FakeContext::Kind;
using llm::LlmError;

TEST_CASE("a message is answered: message, answer, reply and the call's event") {
  Chat chat;
  chat.model.script.say("On its way.");
  CHECK(chat.hand() == Kind::handled);
  CHECK(chat.said() == question_and_answer);
  CHECK(chat.context.published_types() ==
        std::vector<std::string>{"omnibus.llm.call.completed.v1", "omnibus.chat.reply.generated.v1"});
  auto const replies = chat.context.published<ChatReplyGenerated>();
  REQUIRE(replies.size() == 1);
  CHECK(replies[0].text == "On its way.");
  CHECK(replies[0].in_reply_to == chat.context.event().id);
  CHECK(chat.context.last_published_key() == to_string(chat.conversation));
  CHECK(chat.context.published_now<ChatReplyDelta>().size() == 1);
}

TEST_CASE("a message that comes a second time is not asked and not answered again") {
  Chat chat;
  chat.model.script.say("On its way.");
  REQUIRE(chat.hand() == Kind::handled);
  CHECK(chat.context.come_again() == Kind::handled);
  CHECK(chat.model.asked() == 1);
  CHECK(chat.said() == question_and_answer);
  CHECK(chat.context.published<ChatReplyGenerated>().size() == 1);
}

TEST_CASE("a model that fails for a while: the message waits, then it is answered") {
  Chat chat;
  chat.model.script.failure = LlmError{LlmError::Kind::rate_limited, "slow down", std::chrono::seconds{3}};
  auto const waiting = chat.hand();
  CHECK(waiting == Kind::waits);
  CHECK(waiting.retry_after == std::chrono::seconds{3});
  CHECK(chat.said().empty());
  chat.model.script.failure.reset();
  chat.model.script.say("On its way.");
  CHECK(chat.context.try_again() == Kind::handled);
  CHECK(chat.said() == question_and_answer);
}

TEST_CASE("a model that fails for good: the visitor gets the fallback text, which is no answer of the model's") {
  Chat chat;
  chat.model.script.failure = LlmError{LlmError::Kind::invalid_request, "unknown model"};
  CHECK(chat.hand() == Kind::handled);
  CHECK(chat.said() == std::vector<std::string>{"user: Where is my card?"});
  auto const fallbacks = chat.context.published<ChatReplyFallback>();
  REQUIRE(fallbacks.size() == 1);
  CHECK(fallbacks[0].text == chat.settings.fallback_text);
  CHECK(fallbacks[0].reason == "invalid_request");
}

TEST_CASE("an answer without words is none: the other model's, or the fallback text, and the call is counted") {
  auto const counted = Metrics::process().counter<Metric::llm_odd_answers>("no_words");
  for (auto const* const nothing : {"", " \n\t"}) {
    Chat chat;
    auto const before = counted.value();
    chat.model.script.say(nothing);
    chat.model.script.answers.back().usage = {20, 512, 0, 512, false};
    CHECK(chat.hand() == Kind::handled);
    CHECK(chat.said() == std::vector<std::string>{"user: Where is my card?"});
    CHECK(chat.context.published<ChatReplyFallback>().at(0).reason == "no_words");
    CHECK(chat.context.published<ChatReplyGenerated>().empty());
    auto const failed = chat.context.published_now<LlmCallFailed>();
    REQUIRE(failed.size() == 1);
    CHECK(failed[0].error_type == "no_words");
    CHECK(failed[0].output_tokens == 512);
    CHECK(failed[0].cost_usd != "0.000000000");
    CHECK(failed[0].finish_reason == "stop");
    CHECK_FALSE(validate(failed[0]));
    CHECK(chat.model.asked() == 1);
    CHECK(counted.value() == before + 1);
  }
  Chat chat{false, "spare"};
  chat.model.script.say("");
  chat.model.script.say("On its way.");
  CHECK(chat.hand() == Kind::handled);
  CHECK(chat.said() == question_and_answer);
  CHECK(chat.model.script.asked.at(1).model == "spare");
}

TEST_CASE("messages without words are in no prompt, and no answer recorded before is given") {
  Chat chat;
  chat.row().messages = {{"user", "Hello"}, {"assistant", ""}, {"user", "Anyone?"}, {"assistant", " "}};
  chat.model.script.say("On its way.");
  CHECK(chat.hand() == Kind::handled);
  auto const& prompt = chat.model.script.asked.at(0).messages;
  REQUIRE(prompt.size() == 2);
  CHECK(prompt[0].role == "system");
  CHECK(prompt[1].role == "user");
  CHECK(prompt[1].content == "Hello\n\nAnyone?\n\nWhere is my card?");
}

TEST_CASE("no answer makes a visitor wait longer than LLM_GIVE_UP_AFTER") {
  auto const limited = [](auto wait) { return LlmError{LlmError::Kind::rate_limited, "slow down", wait}; };
  SUBCASE("one that says come back tomorrow: the fallback text at once") {
    Chat chat;
    chat.model.script.failure = limited(std::chrono::hours{24});
    CHECK(chat.hand() == Kind::handled);
    CHECK(chat.context.published<ChatReplyFallback>().at(0).reason == "rate_limited");
    CHECK(chat.model.asked() == 1);
  }
  SUBCASE("the other model is asked first") {
    Chat chat{false, "spare"};
    chat.model.script.failures.push_back(limited(std::chrono::hours{24}));
    chat.model.script.say("On its way.");
    CHECK(chat.hand() == Kind::handled);
    CHECK(chat.said() == question_and_answer);
  }
  SUBCASE("several that ask for a while each") {
    Chat chat;
    chat.model.script.failure = limited(std::chrono::seconds{50});
    REQUIRE(chat.hand() == Kind::waits);
    REQUIRE(chat.context.try_again(std::chrono::seconds{55}) == Kind::waits);
    CHECK(chat.context.try_again(std::chrono::seconds{55}) == Kind::handled);
    CHECK(chat.context.published<ChatReplyFallback>().size() == 1);
  }
  SUBCASE("slow ones: the first one counts, and the last one gets the time that is left") {
    Chat chat;
    chat.model.script.failure = LlmError{LlmError::Kind::timeout, "no whole response within the deadline"};
    chat.model.script.on_asked = [&] { chat.context.pass_time(chat.model.script.asked.back().deadline); };
    REQUIRE(chat.hand() == Kind::waits);
    CHECK(chat.context.try_again(std::chrono::seconds{1}) == Kind::handled);
    CHECK(chat.context.waiting_for() <= chat.settings.llm_give_up_after);
  }
}

TEST_CASE("an open breaker defers a message, and no longer than a visitor waits") {
  Chat chat;
  auto const open_for = [&](auto wait) {
    chat.model.script.failure = LlmError{LlmError::Kind::breaker_open, "open", std::chrono::milliseconds{wait}};
  };
  SUBCASE("until it lets calls through: the message is answered, and no attempt was counted") {
    open_for(std::chrono::seconds{50});
    auto const deferred = chat.hand();
    CHECK(deferred == Kind::deferred);
    CHECK(deferred.retry_after == std::chrono::seconds{50});
    CHECK(deferred.at_most == chat.settings.llm_give_up_after);
    chat.model.script.failure.reset();
    chat.model.script.say("On its way.");
    CHECK(chat.context.try_again(std::chrono::seconds{50}) == Kind::handled);
    CHECK(chat.context.attempt() == 1);
    CHECK(chat.said() == question_and_answer);
  }
  SUBCASE("that stays open for longer: the fallback text at once") {
    open_for(chat.settings.llm_give_up_after);
    CHECK(chat.hand() == Kind::handled);
    CHECK(chat.context.published<ChatReplyFallback>().at(0).reason == "breaker_open");
  }
  SUBCASE("while it tries one call, which fails: the fallback text when it is due, without another call") {
    open_for(std::chrono::seconds{0});
    CHECK(chat.hand() == Kind::deferred);
    CHECK(chat.context.try_again(std::chrono::seconds{1}).at_most == std::chrono::seconds{119});
    auto const asked = chat.model.asked();
    CHECK(chat.context.try_again(std::chrono::seconds{119}) == Kind::handled);
    CHECK(chat.model.asked() == asked);
    CHECK(chat.context.published<ChatReplyFallback>().size() == 1);
  }
}

TEST_CASE("a message that waited for something else than the model has the model's whole time, and no more") {
  Chat chat{false, {}, std::chrono::seconds{10}};
  chat.stored.away = true;
  REQUIRE(chat.hand() == Kind::outage);
  chat.stored.away = false;
  chat.model.script.failure = LlmError{LlmError::Kind::timeout, "no whole response within the deadline"};
  CHECK(chat.context.try_again(std::chrono::hours{1}) == Kind::handled);
  REQUIRE(chat.model.asked() == 1);
  CHECK(chat.model.script.asked[0].deadline > std::chrono::seconds{9});
  CHECK(chat.model.script.asked[0].deadline <= std::chrono::seconds{10});
  CHECK(chat.context.published<ChatReplyFallback>().size() == 1);
}

TEST_CASE("an answer that nobody can read is asked for once more, and then no more") {
  Chat chat;
  chat.model.script.failure = LlmError{LlmError::Kind::protocol, "the body ended before the answer did"};
  REQUIRE(chat.hand() == Kind::waits);
  CHECK(chat.context.try_again() == Kind::handled);
  CHECK(chat.model.asked() == 2);
  CHECK(chat.context.published<ChatReplyFallback>().at(0).reason == "protocol");
}

TEST_CASE("a prompt that is too long is asked again with less of the history") {
  Chat chat;
  for (auto i = 0; i < 40; ++i)
    chat.row().messages.push_back({i % 2 == 0 ? "user" : "assistant", std::string(200, 'x')});
  LlmError const too_long{LlmError::Kind::context_length, "HTTP 400 exceed_context_size_error"};
  SUBCASE("which is answered") {
    chat.model.script.failures.push_back(too_long);
    chat.model.script.say("On its way.");
    CHECK(chat.hand() == Kind::handled);
    REQUIRE(chat.model.asked() == 2);
    CHECK(chat.model.script.asked[1].messages.size() < chat.model.script.asked[0].messages.size());
    CHECK(chat.context.published<ChatReplyGenerated>().size() == 1);
    CHECK(chat.context.published_now<LlmCallFailed>().at(0).error_type == "context_length");
  }
  SUBCASE("but once only") {
    chat.model.script.failure = too_long;
    CHECK(chat.hand() == Kind::handled);
    CHECK(chat.model.asked() == 2);
    CHECK(chat.context.published<ChatReplyFallback>().at(0).reason == "context_length");
  }
}

TEST_CASE("a message without words asks no model") {
  Chat chat;
  CHECK(chat.context.hand(*chat.handler, ChatMessageReceived{"shop.example", "s1", " \n", {}}) == Kind::handled);
  CHECK(chat.model.asked() == 0);
  CHECK(chat.context.published<ChatReplyFallback>().size() == 1);
}

TEST_CASE("a model that stays away: after the visitor has waited long enough he gets the fallback text") {
  Chat chat;
  chat.model.script.failure = LlmError{LlmError::Kind::unavailable, "no connection"};
  REQUIRE(chat.hand() == Kind::waits);
  CHECK(chat.context.try_until_over(std::chrono::seconds{10}) == Kind::handled);
  CHECK(chat.context.published<ChatReplyFallback>().size() == 1);
  CHECK(chat.context.failing_for() <= chat.settings.llm_give_up_after);
}

TEST_CASE("an answer that was paid for is kept when the commit fails, and not asked for again") {
  Chat chat;
  chat.model.script.say("On its way.");
  chat.context.fail_next_commit(Failure::outage("the database is away"));
  CHECK(chat.hand() == Kind::outage);
  CHECK(chat.said().empty());
  CHECK(chat.context.published<ChatReplyGenerated>().empty());
  CHECK(chat.context.try_again() == Kind::handled);
  CHECK(chat.model.asked() == 1);
  CHECK(chat.said() == question_and_answer);
  CHECK(chat.context.published<ChatReplyGenerated>().size() == 1);
}

TEST_CASE("an answer that outlives its partition is kept for the next owner, who asks nobody") {
  Chat chat;
  chat.model.script.say("On its way.");
  chat.context.fail_next_commit(Fenced{});
  CHECK(chat.hand() == Kind::fenced);
  CHECK(chat.said().empty());
  CHECK(chat.context.published_types() == std::vector<std::string>{"omnibus.llm.call.completed.v1"});
  CHECK(chat.context.come_again() == Kind::handled);  // at the partition's next owner
  CHECK(chat.model.asked() == 1);
  CHECK(chat.said() == question_and_answer);
  CHECK(chat.context.published<LlmCallCompleted>().size() == 1);
}

TEST_CASE("an answer that could not be kept is asked for again") {
  Chat chat;
  chat.model.script.say("On its way.");
  chat.context.fail_next_commit(Fenced{});
  chat.context.fail_next_checkpoint(Failure::outage("the database is away"));
  CHECK(chat.hand() == Kind::outage);
  CHECK(chat.context.published_types().empty());
  chat.model.script.say("On its way.");
  CHECK(chat.context.come_again() == Kind::handled);
  CHECK(chat.model.asked() == 2);
  CHECK(chat.said() == question_and_answer);
}

TEST_CASE("a message that is given up ends the visitor's stream") {
  Chat chat;
  chat.row().resolved = true;
  CHECK(chat.hand() == Kind::parked);
  REQUIRE(chat.context.parked());
  CHECK(chat.context.parked()->error_class() == "closed_conversation");
  auto const failed = chat.context.published<ChatReplyFailed>();
  REQUIRE(failed.size() == 1);
  CHECK(failed[0].conversation_id == chat.conversation);
  CHECK(failed[0].in_reply_to == chat.context.event().id);
  CHECK(failed[0].reason == "closed_conversation");
  CHECK(chat.said().empty());
}

TEST_CASE("a message of an unknown tenant is parked, and asks no model") {
  Chat chat;
  chat.stored.tenants.clear();
  CHECK(chat.hand() == Kind::parked);
  CHECK(chat.context.parked()->error_class() == "unknown_tenant");
  CHECK(chat.model.asked() == 0);
  CHECK(chat.context.published<ChatReplyFailed>().size() == 1);
  // A conversation that the message names may be another tenant's: nothing was checked yet.
  ChatMessageReceived naming{"shop.example", "s1", "Hello", random_uuid()};
  CHECK(chat.context.hand(*chat.handler, naming) == Kind::parked);
  CHECK(chat.context.published<ChatReplyFailed>().size() == 1);
}

TEST_CASE("an answer is suppressed when a person has taken the conversation over") {
  SUBCASE("before the model was asked") {
    Chat chat;
    chat.row().with_person = true;
    CHECK(chat.hand() == Kind::handled);
    CHECK(chat.model.asked() == 0);
    CHECK(chat.context.published_types() == std::vector<std::string>{"omnibus.chat.reply.suppressed.v1"});
    CHECK(chat.said() == std::vector<std::string>{"user: Where is my card?"});
  }
  SUBCASE("while it was being asked") {
    Chat chat;
    chat.model.script.say("On its way.");
    chat.model.script.on_asked = [&] { chat.row().takeover_epoch = 1; };
    CHECK(chat.hand() == Kind::handled);
    CHECK(chat.context.published<ChatReplySuppressed>().size() == 1);
    CHECK(chat.context.published<ChatReplyGenerated>().empty());
    CHECK(chat.said() == std::vector<std::string>{"user: Where is my card?"});
    CHECK(chat.stored.outcomes.at(chat.context.event_key()) == TurnOutcome::suppressed);  // which a replay follows
  }
}

TEST_CASE("a replay stores the recorded answer again and publishes nothing") {
  Chat chat{true};
  SUBCASE("of a turn that was answered") {
    chat.context.hand(*chat.handler, ChatMessageReceived{"shop.example", "other", "first", {}});
    chat.record("On its way.");
    CHECK(chat.context.come_again() == Kind::handled);
    CHECK(chat.stored.rows[conversation_id_of("shop.example", "other")].messages.size() == 2);
  }
  SUBCASE("of a turn without one, which is passed over") {
    CHECK(chat.hand() == Kind::handled);
    CHECK(chat.context.passed_over() == "no recorded answer");
    CHECK(chat.said().empty());
  }
  SUBCASE("of a deleted conversation, which does not come back") {
    chat.stored.forgotten.insert(chat.conversation);
    chat.hand();
    chat.record("On its way.");
    CHECK(chat.context.come_again() == Kind::handled);
    CHECK(chat.context.passed_over() == "deleted");
    CHECK(chat.said().empty());
  }
  CHECK(chat.context.published_types().empty());
}

TEST_CASE("where consent is required, a message without it is neither answered nor stored") {
  Chat chat;
  chat.stored.consent_required = true;
  auto const record_processing = [&](bool granted) {
    ChatConsentRecorded consent{"shop.example", "s1", {granted}, "service"};
    return chat.context.hand(*chat.handler, consent);
  };
  SUBCASE("when it was never given") {}
  SUBCASE("when it was taken back: the withdrawal itself needs no consent") {
    REQUIRE(record_processing(true) == Kind::handled);
    REQUIRE(record_processing(false) == Kind::handled);
    REQUIRE(record_processing(false) == Kind::handled);
  }
  CHECK(chat.hand() == Kind::handled);
  CHECK(chat.model.asked() == 0);
  CHECK(chat.said().empty());
  auto const suppressed = chat.context.published<ChatReplySuppressed>();
  REQUIRE(suppressed.size() == 1);
  CHECK(suppressed[0].reason == "consent_required");
  CHECK(suppressed[0].in_reply_to == chat.context.event().id);
  // Given once more, it counts for what follows.
  REQUIRE(record_processing(true) == Kind::handled);
  chat.model.script.say("On its way.");
  CHECK(chat.hand() == Kind::handled);
  CHECK(chat.said() == question_and_answer);
}
