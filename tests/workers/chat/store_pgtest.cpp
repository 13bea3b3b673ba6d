// The chat worker's store, driven by events on a broker as its handler is, against a migrated database as role chat.
#include "assistant/answer_store.hpp"
#include "events/conversation.hpp"
#include "handler/handler.hpp"
#include "tests/common/engine/database_engine.hpp"
#include "workers/chat/store.hpp"

#include <future>

#include <doctest/doctest.h>
#include <pqxx/except>

using namespace omnibus;
using namespace omnibus::chat;
using namespace omnibus::engine::test;

namespace {

constexpr auto topic = "chat.messages";
constexpr auto domain = "shop.example";

PostgresConversations store;
assistant::PostgresAnswers answers;

ChatTurn turn_of(Context& context, ChatMessageReceived const& message, Conversation const& conversation,
                 std::string answer) {
  return {context.event_key(),         conversation.id,       message.domain,
          message.session_id,          message.text,          context.timestamp_ms(),
          conversation.takeover_epoch, TurnOutcome::answered, std::move(answer)};
}

void ignore(TurnOutcome) {}

assistant::RecordedAnswer paid(std::string text) {
  assistant::RecordedAnswer answer;
  answer.text = std::move(text);
  answer.model = "omnibus-small";
  return answer;
}

using Step = std::function<Task<>(Context&, ChatMessageReceived const&)>;

/// Runs one step of a handler for one message, in an engine of its own.
class Turn {
 public:
  Turn() { database.add_tenant(domain); }

  /// @return the class of the failure that the step ended with, or nothing.
  std::string run(ChatMessageReceived const& message, Step step) {
    auto const id = conversation_id_of(message.domain, message.session_id);
    return run_record(to_binary_record(originate("/test", message.type), json::encode(message), topic, to_string(id)),
                      std::move(step));
  }
  std::string run_record(kafka::Record const& record, Step step) {
    auto const wanted = id_of(record);
    std::promise<std::string> ended;
    auto const handle = [&](Context& context) -> Task<> {
      if (context.event().id != wanted) co_return;
      std::string failed;
      try {
        auto const message = decode<ChatMessageReceived>(context);
        auto stepping = step(context, message);
        co_await std::move(stepping);
      } catch (Failure const& failure) {
        failed = failure.error_class();
      }
      ended.set_value(failed);
    };
    REQUIRE(publish(broker, {record}));
    DatabaseEngine engine{broker, database.url_as("chat"), topic, "chat-" + wanted, each(handle)};
    auto result = ended.get_future().get();
    engine.stop();
    return result;
  }

  static std::string id_of(kafka::Record const& record) {
    for (auto const& header : record.headers)
      if (header.name == "ce_id") return header.value.value_or("");
    return {};
  }

  /// A whole turn without a model: the message and its answer.
  std::string answer(std::string const& session, std::string const& text, std::string const& reply) {
    return run({domain, session, text, {}}, [reply](Context& context, ChatMessageReceived const& message) -> Task<> {
      auto opening = store.open(context, message, 100);
      auto const conversation = co_await std::move(opening);
      auto committing = context.commit(
          [&](UnitOfWork& unit) { store.store_turn(unit, turn_of(context, message, conversation, reply), ignore); });
      co_await std::move(committing);
    });
  }

  /// What a turn finds.
  std::pair<Conversation, std::string> look(ChatMessageReceived const& message, std::int64_t history = 100) {
    Conversation found;
    auto failed = run(message, [&](Context& context, ChatMessageReceived const& received) -> Task<> {
      auto opening = store.open(context, received, history);
      found = co_await std::move(opening);
    });
    return {std::move(found), std::move(failed)};
  }

  Broker broker;
  EffectDatabase database;
};

std::vector<std::string> texts(std::vector<PastMessage> const& lines) {
  std::vector<std::string> found;
  found.reserve(lines.size());
  for (auto const& line : lines) found.push_back(line.role + ": " + line.content);
  return found;
}

}  // namespace

TEST_CASE("a message for a domain that is no tenant, or a suspended one, is refused for good") {
  Turn turn;
  CHECK(turn.look({"nobody.example", "s1", "hello", {}}).second == "unknown_tenant");
  turn.database.execute("INSERT INTO tenants (domain, status) VALUES ('late.example', 'suspended')");
  CHECK(turn.look({"late.example", "s1", "hello", {}}).second == "inactive_tenant");
}

TEST_CASE("a session's first message opens a conversation whose id anyone can derive") {
  Turn turn;
  auto const [conversation, failed] = turn.look({domain, "s1", "hello", {}});
  CHECK(failed.empty());
  CHECK(conversation.id == conversation_id_of(domain, "s1"));
  CHECK(conversation.history.empty());
  CHECK_FALSE(conversation.already_handled);
  CHECK_FALSE(conversation.resolved);
  CHECK_FALSE(conversation.recorded_answer);
}

TEST_CASE("history is read oldest first, and of a long one the newest part within the budget") {
  Turn turn;
  REQUIRE(turn.answer("s1", "one", "two").empty());
  REQUIRE(turn.answer("s1", "three", "four").empty());
  REQUIRE(turn.answer("s2", "elsewhere", "else").empty());
  CHECK(texts(turn.look({domain, "s1", "five", {}}).first.history) ==
        std::vector<std::string>{"user: one", "assistant: two", "user: three", "assistant: four"});
  auto const cost = estimate_tokens("two") + estimate_tokens("three") + estimate_tokens("four");
  auto const within = [&](std::size_t tokens) {
    return texts(turn.look({domain, "s1", "five", {}}, static_cast<std::int64_t>(tokens)).first.history);
  };
  CHECK(within(cost) == std::vector<std::string>{"assistant: two", "user: three", "assistant: four"});
  CHECK(within(cost - 1) == std::vector<std::string>{"user: three", "assistant: four"});
  CHECK(within(0).empty());
  CHECK(texts(turn.look({domain, "s1", "five", {}}, -7).first.history).empty());
  // What is older than a message that does not fit is left out as well; bytes count, not characters.
  REQUIRE(turn.answer("s1", "\u00e4\u00f6\u00fc\u00df\u20ac" + std::string(500, 'x'), "ok").empty());
  CHECK(within(100) == std::vector<std::string>{"assistant: ok"});
}

TEST_CASE("a resolved conversation says so, and so does one that a person has") {
  Turn turn;
  REQUIRE(turn.answer("s1", "one", "two").empty());
  turn.database.execute("UPDATE conversations SET owner_id = gen_random_uuid(), takeover_epoch = 7");
  auto const taken = turn.look({domain, "s1", "three", {}}).first;
  CHECK(taken.with_person);
  CHECK(taken.takeover_epoch == 7);
  CHECK_FALSE(taken.resolved);
  turn.database.execute("UPDATE conversations SET status = 'resolved'");
  CHECK(turn.look({domain, "s1", "three", {}}).first.resolved);
}

TEST_CASE("a conversation id of another session, tenant or conversation is refused for good") {
  Turn turn;
  turn.database.add_tenant("bank.example");
  REQUIRE(turn.answer("s1", "one", "two").empty());
  auto const id = conversation_id_of(domain, "s1");
  CHECK(turn.look({domain, "s2", "hello", id}).second == "wrong_conversation");
  CHECK(turn.look({"bank.example", "s1", "hello", id}).second == "wrong_conversation");
  CHECK(turn.look({domain, "s1", "hello", random_uuid()}).second == "wrong_conversation");
  CHECK(turn.look({domain, "s1", "hello", id}).second.empty());
}

TEST_CASE("one new conversation id of two tenants is nobody's when both are stored in one statement") {
  Turn turn;
  turn.database.add_tenant("bank.example");
  bool refused = false;
  auto const store_both = [&refused](Context& context, ChatMessageReceived const& message) -> Task<> {
    auto opening = store.open(context, message, 100);
    auto const conversation = co_await std::move(opening);
    auto committing = context.commit([&](UnitOfWork& unit) {
      for (auto const* const tenant : {domain, "bank.example"}) {
        auto stored = turn_of(context, message, conversation, "answer");
        stored.event_key = name_uuid(context.event_key(), tenant);
        stored.domain = tenant;
        store.store_turn(unit, std::move(stored), ignore);
      }
    });
    try {
      co_await std::move(committing);
    } catch (pqxx::integrity_constraint_violation const&) {
      refused = true;
    }
  };
  CHECK(turn.run({domain, "s1", "one", random_uuid()}, store_both).empty());
  CHECK(refused);
  CHECK(turn.database.number("SELECT count(*) FROM messages") == 0);
  CHECK(turn.database.number("SELECT count(*) FROM conversations") == 0);
}

TEST_CASE("a take-over between the read and the commit is noticed at the commit") {
  Turn turn;
  REQUIRE(turn.answer("s1", "one", "two").empty());
  std::vector<TurnOutcome> outcomes;
  auto const turn_with = [&](std::string const& meanwhile) {
    return turn.run({domain, "s1", "three", {}},
                    [&, meanwhile](Context& context, ChatMessageReceived const& message) -> Task<> {
                      auto opening = store.open(context, message, 100);
                      auto const conversation = co_await std::move(opening);
                      if (!meanwhile.empty()) turn.database.execute(meanwhile);
                      auto committing = context.commit([&](UnitOfWork& unit) {
                        store.store_turn(unit, turn_of(context, message, conversation, "four"),
                                         [&](TurnOutcome outcome) { outcomes.push_back(outcome); });
                      });
                      co_await std::move(committing);
                    });
  };
  CHECK(turn_with("").empty());
  CHECK(
      turn_with("UPDATE conversations SET owner_id = gen_random_uuid(), takeover_epoch = takeover_epoch + 1").empty());
  // Taken over and given back: what was asked before it is answered by nobody.
  turn.database.execute("UPDATE conversations SET owner_id = NULL, takeover_epoch = takeover_epoch + 1");
  CHECK(turn_with("UPDATE conversations SET takeover_epoch = takeover_epoch + 2").empty());
  CHECK(turn_with("").empty());
  CHECK(outcomes == std::vector<TurnOutcome>{TurnOutcome::answered, TurnOutcome::suppressed, TurnOutcome::suppressed,
                                             TurnOutcome::answered});
  CHECK(turn.database.number("SELECT max(seq) FROM messages") == 8);
  CHECK(turn.database.number("SELECT count(*) FROM messages WHERE role = 'assistant'") == 3);
  CHECK(turn.database.number("SELECT count(*) FROM pipeline.llm_responses WHERE outcome = 'suppressed'") == 2);
}

TEST_CASE("an answer that was recorded is found again by the same event, and by no other") {
  Turn turn;
  ChatMessageReceived const message{domain, "s1", "one", {}};
  auto const record = to_binary_record(originate("/test", message.type), json::encode(message), topic, "any key");
  auto const recording = [](Context& context, ChatMessageReceived const&) -> Task<> {
    auto committing = context.checkpoint(
        "answer", [&](UnitOfWork& unit) { answers.record(unit, context.event_key(), {}, paid("the \"answer\"\n")); });
    co_await std::move(committing);
  };
  REQUIRE(turn.run_record(record, recording).empty());
  Conversation found;
  REQUIRE(turn.run_record(record,
                          [&](Context& context, ChatMessageReceived const& received) -> Task<> {
                            auto opening = store.open(context, received, 100);
                            found = co_await std::move(opening);
                          })
              .empty());
  CHECK(found.recorded_answer == "the \"answer\"\n");
  CHECK_FALSE(found.outcome);
  CHECK_FALSE(found.already_handled);
  CHECK_FALSE(turn.look(message).first.recorded_answer);
}

TEST_CASE("of two answers the one that was given is recorded, and not the one that a former owner kept") {
  Turn turn;
  auto const step = [](Context& context, ChatMessageReceived const& message) -> Task<> {
    auto opening = store.open(context, message, 100);
    auto const conversation = co_await std::move(opening);
    auto keeping = context.checkpoint(
        "answer", [&](UnitOfWork& unit) { answers.record(unit, context.event_key(), {}, paid("kept")); });
    co_await std::move(keeping);
    auto committing = context.commit([&](UnitOfWork& unit) {
      auto stored = turn_of(context, message, conversation, "given");
      stored.paid_for = paid("given");
      store.store_turn(unit, std::move(stored), ignore);
    });
    co_await std::move(committing);
  };
  CHECK(turn.run({domain, "s1", "one", {}}, step).empty());
  CHECK(turn.database.texts("SELECT content FROM messages WHERE role = 'assistant' UNION ALL"
                            " SELECT response ->> 'text' FROM pipeline.llm_responses") ==
        std::vector<std::string>{"given", "given"});
}

TEST_CASE("a turn that was committed is known as handled when its event comes again") {
  Turn turn;
  ChatMessageReceived const message{domain, "s1", "one", {}};
  auto const record = to_binary_record(originate("/test", message.type), json::encode(message), topic, "any key");
  std::vector<bool> handled;
  auto const step = [&](Context& context, ChatMessageReceived const& received) -> Task<> {
    auto opening = store.open(context, received, 100);
    auto const conversation = co_await std::move(opening);
    handled.push_back(conversation.already_handled);
    auto committing = context.commit([&](UnitOfWork& unit) {
      auto stored = turn_of(context, received, conversation, {});
      stored.outcome = TurnOutcome::fallback;
      store.store_turn(unit, std::move(stored), ignore);
    });
    co_await std::move(committing);
  };
  REQUIRE(turn.run_record(record, step).empty());
  // A group of its own reads the event again, both times it was published.
  std::promise<void> again;
  CHECK(turn.database.number("SELECT count(*) FROM messages") == 1);
  CHECK(handled == std::vector<bool>{false});
  auto const handle = [&](Context& context) -> Task<> {
    auto const received = decode<ChatMessageReceived>(context);
    auto stepping = step(context, received);
    co_await std::move(stepping);
    again.set_value();
  };
  DatabaseEngine engine{turn.broker, turn.database.url_as("chat"), topic, "again", each(handle)};
  again.get_future().wait();
  engine.stop();
  CHECK(handled == std::vector<bool>{false, true});
  CHECK(turn.database.number("SELECT count(*) FROM messages") == 1);
}

TEST_CASE("a turn is stored once, by whomever: by a replay first or by the worker") {
  Turn turn;
  auto const step = [](Context& context, ChatMessageReceived const& message) -> Task<> {
    auto opening = store.open(context, message, 100);
    auto const conversation = co_await std::move(opening);
    auto committing = context.commit([&](UnitOfWork& unit) {
      auto const stored = turn_of(context, message, conversation, "two");
      for (int i = 0; i < 2; ++i) store.store_again(unit, stored);
      store.store_turn(unit, stored, ignore);
    });
    co_await std::move(committing);
  };
  CHECK(turn.run({domain, "s1", "one", {}}, step).empty());
  CHECK(turn.database.number("SELECT count(*) FROM messages") == 2);
  CHECK(turn.database.number("SELECT max(seq) FROM messages") == 2);
}

TEST_CASE("turns stored in one statement are numbered as if one came after the other") {
  Turn turn;
  REQUIRE(turn.answer("s1", "before", "all").empty());
  auto const step = [](Context& context, ChatMessageReceived const& message) -> Task<> {
    auto opening = store.open(context, message, 100);
    auto const conversation = co_await std::move(opening);
    auto committing = context.commit([&](UnitOfWork& unit) {
      for (auto const* const each : {"a", "b", "c", "d"}) {
        auto stored = turn_of(context, message, conversation, std::string{"re: "} + each);
        stored.event_key = name_uuid(context.event_key(), each);
        stored.text = each;
        if (*each == 'b') stored.outcome = TurnOutcome::fallback;
        if (*each == 'c') {
          stored.session_id = "s2";
          stored.conversation_id = conversation_id_of(domain, "s2");
        }
        stored.paid_for = paid(stored.answer);
        store.store_turn(unit, std::move(stored), [&unit](TurnOutcome outcome) {
          if (outcome == TurnOutcome::fallback) unit.publish(ChatReplyFallback{}, "any");
        });
      }
    });
    co_await std::move(committing);
  };
  CHECK(turn.run({domain, "s1", "one", {}}, step).empty());
  CHECK(turn.database.texts("SELECT concat_ws(' ', session_id, seq, content) FROM messages"
                            " JOIN conversations c ON c.id = conversation_id ORDER BY session_id, seq") ==
        std::vector<std::string>{"s1 1 before", "s1 2 all", "s1 3 a", "s1 4 re: a", "s1 5 b", "s1 6 d", "s1 7 re: d",
                                 "s2 1 c", "s2 2 re: c"});
  CHECK(turn.database.number(
            "SELECT count(*) FROM messages m JOIN pipeline.llm_responses r ON m.in_reply_to = r.request_key"
            " WHERE m.created_at = r.created_at AND r.response ->> 'text' = m.content") == 3);
}

TEST_CASE("the outcome of a turn is found by a replay, and that of one given up as well") {
  Turn turn;
  ChatMessageReceived const message{domain, "s1", "one", {}};
  auto const record = to_binary_record(originate("/test", message.type), json::encode(message), topic, "any key");
  auto const recording = [](Context& context, ChatMessageReceived const&) -> Task<> {
    auto committing = context.checkpoint(
        "answer", [&](UnitOfWork& unit) { answers.record(unit, context.event_key(), {}, paid("too late")); });
    co_await std::move(committing);
    auto noting = context.checkpoint("parked", [&](UnitOfWork& unit) { store.note_parked(unit, context.event_key()); });
    co_await std::move(noting);
  };
  REQUIRE(turn.run_record(record, recording).empty());
  Conversation found;
  auto const look = [&](Context& context, ChatMessageReceived const& received) -> Task<> {
    auto opening = store.open(context, received, 100);
    found = co_await std::move(opening);
  };
  REQUIRE(turn.run_record(record, look).empty());
  CHECK(found.outcome == TurnOutcome::parked);
  CHECK(found.recorded_answer == "too late");
}
