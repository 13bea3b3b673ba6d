// Whole conversations: the handler in an engine, on a broker, with a migrated database and a model of the test's.
#include "engine/handler_work.hpp"
#include "tests/common/engine/database_engine.hpp"
#include "tests/workers/conversation/matched_pair.hpp"
#include "workers/conversation/handler.hpp"
#include "workers/conversation/turn_answer.hpp"

#include <atomic>
#include <deque>
#include <mutex>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::conversation;
using namespace omnibus::conversation::test;
using engine::test::Broker;
using engine::test::DatabaseEngine;
using engine::test::eventually;

namespace {

constexpr auto topic = "agent.turns";

/// What a model of these tests was asked, by turn. Outlives the models.
struct Asked {
  std::atomic<int> count{0};
  std::mutex mutex;
  std::vector<std::string> bodies;                      ///< every message of every request
  std::function<void(int)> on_asked = [](int) {};       ///< on the event loop, with the number of the question
  std::function<std::string(int)> answer = [](int n) {  ///< to a question, by its number
    return json::encode(TurnAnswer{"Message " + std::to_string(n * 7919) + " of " + std::to_string(n), n >= 5, {}, {}});
  };
};

class CountingLlm final : public llm::LlmPort {
 public:
  explicit CountingLlm(Asked& asked) : asked_{asked} {}

  Task<llm::ChatCompletion> complete(llm::ChatRequest request, llm::DeltaSink) override {
    auto const number = ++asked_.count;
    {
      std::scoped_lock const lock{asked_.mutex};
      auto& body = asked_.bodies.emplace_back(request.response_format);
      for (auto const& message : request.messages) body += "\n" + message.role + ": " + message.content;
    }
    asked_.on_asked(number);
    llm::ChatCompletion completion;
    completion.text = asked_.answer(number);
    completion.model = "omnibus-small";
    completion.finish_reason = "stop";
    completion.usage = {100, 20, 0, 0, false};
    co_return completion;
  }

 private:
  Asked& asked_;
};

/// The handler with what it is made of, for one engine.
struct Worker final : engine::Work {
  explicit Worker(Asked& asked)
      : handler{ConversationSettings{}, std::make_unique<PostgresAgentConversations>(),
                std::make_unique<assistant::Model>(ConversationSettings{}, std::make_unique<CountingLlm>(asked),
                                                   std::make_unique<assistant::PostgresAnswers>())},
        work{handler} {}
  Task<> handle(Context& context) override { return work.handle(context); }
  std::function<void(UnitOfWork&)> giving_up(Context& context, Failure const& failure) override {
    return work.giving_up(context, failure);
  }

  ConversationHandler handler;
  engine::HandlerWork<ConversationHandler> work;
};

struct Stage {
  std::unique_ptr<DatabaseEngine> worker(std::string const& group = "conversation") {
    return std::make_unique<DatabaseEngine>(broker, database.url_as("conversation"), topic, group,
                                            [this](auto&) { return std::make_unique<Worker>(asked); });
  }
  template <class Event>
  void publish(Event const& event) {
    REQUIRE(engine::test::publish(broker, {to_binary_record(originate("/test", Event::type), json::encode(event), topic,
                                                            to_string(database.conversation))}));
  }
  void begin() { publish(AgentConversationRequested{database.domain, database.conversation, database.match}); }
  bool await(std::string const& condition) {
    return eventually([&] { return database.number("SELECT count(*) FROM " + condition) > 0; });
  }
  bool await_end(std::string const& reason) {
    return await("omniscient_conversations WHERE stop_reason = '" + reason + "'");
  }

  Broker broker;
  MatchedPair database;
  Asked asked;
};

}  // namespace

TEST_CASE("a conversation is held turn by turn until both agents want to end") {
  Stage stage;
  stage.asked.answer = [](int n) {
    auto const* const first = "00000000-0000-4000-b000-000000000001";
    TurnAnswer answer{"Message " + std::to_string(n * 7919) + " of " + std::to_string(n), n >= 4, {}, {}};
    if (n == 1) answer.advanced.push_back(*parse_uuid(first));
    return json::encode(answer);
  };
  stage.begin();
  auto const worker = stage.worker();
  CHECK(stage.await_end("agreed_end"));
  worker->stop();
  CHECK(stage.asked.count == 5);
  CHECK(stage.database.text(
            "SELECT string_agg(concat_ws(' ', turn_number, speaker_role, u.handle), ',' ORDER BY turn_number) "
            "FROM omniscient_turns t JOIN users u ON u.id = t.speaker_user_id") ==
        "1 agent_a Zoë O'Brien,2 agent_b 助手 <1>,3 agent_a Zoë O'Brien,4 agent_b 助手 <1>,5 agent_a Zoë O'Brien");
  CHECK(stage.database.text("SELECT string_agg(opportunity_alignment_score::text, ',' ORDER BY turn_number) "
                            "FROM omniscient_turns") == "0.67,0.00,0.00,0.00,0.00");
  CHECK(stage.database.text("SELECT concat_ws(' ', status, total_tokens, model_used) FROM omniscient_conversations") ==
        "completed 600 omnibus-small");
  CHECK(stage.database.text("SELECT string_agg(concat_ws(' ', action, status, tokens_used), ',' ORDER BY created_at) "
                            "FROM omniscient_processing_logs WHERE target_id = '" +
                            to_string(stage.database.conversation) + "'") ==
        "begin_conversation completed 0,hold_turn completed 120,hold_turn completed 120,hold_turn completed 120,"
        "hold_turn completed 120,hold_turn completed 120");
  // Each agent has its own story, nobody has the risk, and the advanced insight is given once.
  auto const has = [&](std::size_t turn, char const* text) {
    return stage.asked.bodies.at(turn).find(text) != std::string::npos;
  };
  CHECK(has(0, "I build timber bridges."));
  CHECK(has(0, R"(a \"b\",c)"));
  CHECK_FALSE(has(0, "I test joints."));
  CHECK(has(1, "I test joints."));
  CHECK_FALSE(has(1, "I build timber bridges."));
  CHECK(has(0, "about synergy"));
  CHECK_FALSE(has(1, "about synergy"));
  CHECK(has(1, "about next_step"));
  CHECK_FALSE(has(0, "about risk"));
  CHECK(stage.asked.bodies.at(3).find("Message 7919 of 1") != std::string::npos);

  // Another group reads all events again: nothing is asked, stored or published.
  auto const dump = "SELECT md5(string_agg(t::text, '' ORDER BY id)) FROM omniscient_turns t";
  auto const before = stage.database.text(dump);
  auto const again = stage.worker("again");
  CHECK(eventually([&] { return again->counters().handled.load() >= 11; }));
  again->stop();
  CHECK(stage.asked.count == 5);
  CHECK(stage.database.text(dump) == before);
  CHECK(again->counters().dead_lettered.load() == 0);
}

TEST_CASE("a turn that was answered and not stored when its worker died is not asked again") {
  Stage stage;
  stage.database.execute(R"(
      CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION 'not now' USING ERRCODE = '57P03'; END $$;
      CREATE TRIGGER refuse BEFORE INSERT ON omniscient_turns FOR EACH ROW WHEN (NEW.turn_number = 4)
      EXECUTE FUNCTION refuse())");
  stage.begin();
  auto worker = stage.worker();
  CHECK(eventually([&] { return stage.asked.count >= 4; }));
  CHECK(eventually([&] { return stage.database.number("SELECT count(*) FROM pipeline.llm_responses") == 4; }));
  worker->crash();
  CHECK(stage.database.number("SELECT count(*) FROM omniscient_turns") == 3);
  stage.database.execute("DROP TRIGGER refuse ON omniscient_turns");
  worker = stage.worker();
  CHECK(stage.await_end("agreed_end"));
  worker->stop();
  CHECK(stage.asked.count == 6);
  CHECK(stage.database.text("SELECT string_agg(turn_number::text, '' ORDER BY turn_number) FROM omniscient_turns") ==
        "123456");
  CHECK(stage.database.number("SELECT total_tokens FROM omniscient_conversations") == 720);
}

TEST_CASE("two requests for one turn make one row and one question more at most") {
  Stage stage;
  stage.begin();
  stage.publish(AgentTurnRequested{stage.database.domain, stage.database.conversation, stage.database.match, 1});
  auto const worker = stage.worker();
  CHECK(stage.await_end("agreed_end"));
  worker->stop();
  CHECK(stage.database.number("SELECT count(*) FROM omniscient_turns") ==
        stage.database.number("SELECT max(turn_number) FROM omniscient_turns"));
  CHECK(worker->counters().dead_lettered.load() == 0);
}

TEST_CASE("a person who is deleted while the model answers: the conversation is gone and stays gone") {
  Stage stage;
  stage.asked.on_asked = [&](int number) {
    if (number == 3) stage.database.execute("DELETE FROM users WHERE handle LIKE 'Zo%'");
  };
  stage.begin();
  auto const worker = stage.worker();
  CHECK(eventually([&] {
    return stage.database.number(
               "SELECT count(*) FROM omniscient_processing_logs WHERE status = 'completed' AND "
               "action = 'hold_turn'") == 3;
  }));
  CHECK(eventually([&] { return worker->counters().uncommitted.load() == 0; }));
  worker->stop();
  CHECK(stage.asked.count == 3);
  CHECK(stage.database.number("SELECT (SELECT count(*) FROM omniscient_turns) + "
                              "(SELECT count(*) FROM omniscient_conversations)") == 0);
  CHECK(worker->counters().dead_lettered.load() == 0);
}

TEST_CASE("people who may not take part any more end the conversation before the next call") {
  Stage stage;
  stage.asked.on_asked = [&](int number) {
    if (number == 2)
      stage.database.execute(
          "INSERT INTO omniscient_blocks (user_id, other_id) SELECT b.id, a.id FROM users a, users b WHERE a.id < "
          "b.id");
  };
  stage.begin();
  auto const worker = stage.worker();
  CHECK(stage.await_end("withdrawn"));
  worker->stop();
  CHECK(stage.asked.count == 2);
  CHECK(stage.database.text("SELECT status FROM omniscient_conversations") == "failed");
}

TEST_CASE("a tenant suspended in the middle ends the conversation, and its request is a dead letter") {
  Stage stage;
  stage.asked.on_asked = [&](int number) {
    if (number == 2) stage.database.execute("UPDATE tenants SET status = 'suspended'");
  };
  stage.begin();
  auto const worker = stage.worker();
  CHECK(stage.await_end("withdrawn"));
  CHECK(eventually([&] { return worker->counters().dead_lettered.load() == 1; }));
  worker->stop();
  CHECK(stage.database.text("SELECT concat_ws(' ', status, error) FROM omniscient_conversations") ==
        "failed inactive_tenant");
  CHECK(stage.database.number("SELECT count(*) FROM omniscient_processing_logs WHERE status = 'failed' AND "
                              "error_message = 'inactive_tenant'") == 1);
}
