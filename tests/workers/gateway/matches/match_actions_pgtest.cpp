#include "kafka/cloud_event.hpp"
#include "tests/workers/gateway/matches/match_world.hpp"

#include <string>
#include <vector>

using namespace omnibus;
using namespace omnibus::gateway;
using namespace omnibus::gateway::test;

namespace {

std::string with_id(std::string_view name, std::string_view id) {
  return R"({"params":{")" + std::string(name) + R"(":")" + std::string(id) +
         R"("},"adminOverride":true,"role":"admin"})";
}

std::string pair_of(std::string_view one, std::string_view two) {
  return R"({"userIdA":")" + std::string(one) + R"(","userIdB":")" + std::string(two) + R"("})";
}

std::string insights_for(std::string_view match, std::string_view type = "synergy") {
  return R"({"matchId":")" + std::string(match) + R"(","insights":[{"insight_type":")" + std::string(type) +
         R"(","title":"t","description":"d"}]})";
}

}  // namespace

TEST_CASE_FIXTURE(MatchWorld, "the table of actions and roles holds, whatever a body says of its sender's role") {
  struct Row {
    std::string_view action;
    std::string params;
    int visitor, agent, operator_role, admin, service, other_tenant;
  };
  std::vector<Row> const table{
      {"analyzeMatches", R"({"params":{"batchSize":5},"adminOverride":true})", 403, 403, 202, 202, 403, 202},
      {"executeConversation", with_id("matchId", analyzed), 403, 403, 202, 202, 403, 404},
      {"processUserMidnight", with_id("userId", ann), 403, 403, 202, 202, 403, 404},
      {"analyzeOutcome", with_id("conversationId", talk), 403, 403, 202, 202, 403, 404},
      {"generateReport", with_id("userId", ann), 403, 403, 202, 202, 403, 404},
      {"getMatchInsights", with_id("matchId", held), 200, 404, 200, 200, 403, 404},
      {"getConversationDetails", with_id("conversationId", talk), 200, 404, 200, 200, 403, 404},
      {"getAnalytics", R"({"adminOverride":true})", 403, 403, 200, 200, 403, 200},
      {"getSystemHealth", "", 403, 403, 200, 200, 403, 200},
      {"manualMatch", pair_of(ann, bob), 403, 403, 202, 202, 403, 404},
      {"overrideInsights", insights_for(analyzed), 403, 403, 403, 202, 403, 404},
  };
  CHECK(table.size() == 11);
  for (auto const& row : table) {
    CAPTURE(row.action);
    for (auto const& [token, status] : {std::pair{"ann", row.visitor},
                                        {"agent", row.agent},
                                        {"operator", row.operator_role},
                                        {"admin", row.admin},
                                        {"service", row.service},
                                        {"banker", row.other_tenant}}) {
      CAPTURE(token);
      published.clear();
      auto const response = act(token, row.action, row.params);
      CHECK(response.status == status);
      CHECK(published.empty() == (status != 202));
      CHECK(has(response, status < 300 ? "{\"success\":true,\"action\":\"" + std::string(row.action) + "\",\"result\":{"
                                       : "{\"success\":false,\"error\":\""));
      CHECK(has(response, "\"processingTime\":") == (status < 300));
      CHECK(response.headers.find("Content-Type") == "application/json");
    }
    CHECK(act("", row.action, row.params).status == 401);
  }
}

TEST_CASE_FIXTURE(MatchWorld, "an unknown action is 404 with the list, for those who may ask") {
  auto const response = act("operator", "dropTables", "{}");
  CHECK(response.status == 404);
  CHECK(has(response, "analyzeMatches, executeConversation"));
  CHECK(act("", "dropTables", "{}").status == 401);
}

TEST_CASE_FIXTURE(MatchWorld, "an action publishes one event with the key of its topic and the actor") {
  struct Row {
    std::string_view action;
    std::string params;
    std::string_view type, key, member;
  };
  auto const pair = std::string(ann) + ":" + std::string(eve);
  for (auto const& row : std::vector<Row>{
           {"executeConversation", with_id("matchId", analyzed), "omnibus.match.midnight.requested.v1", pair,
            "\"match_id\":\"00000000-0000-4000-8000-000000000102\""},
           {"manualMatch", pair_of(eve, ann), "omnibus.match.manual.requested.v1", pair,
            "\"user_a_id\":\"00000000-0000-4000-8000-00000000000a\""},
           {"analyzeOutcome", with_id("conversationId", talk), "omnibus.outcome.analysis.requested.v1", held,
            "\"match_id\":\"00000000-0000-4000-8000-000000000101\""},
           {"generateReport", with_id("userId", ann), "omnibus.report.requested.v1", ann, "\"user_id\":"},
       }) {
    CAPTURE(row.action);
    published.clear();
    auto const response = act("operator", row.action, row.params);
    REQUIRE(published.size() == 1);
    CHECK(published[0].envelope.type == row.type);
    CHECK(published[0].key == row.key);
    CHECK(published[0].data.find(row.member) != std::string::npos);
    CHECK(published[0].data.find(value("SELECT id FROM principals WHERE name = 'operator'")) != std::string::npos);
    CHECK(has(response, "\"event_id\":\"" + published[0].envelope.id));
  }
}

TEST_CASE_FIXTURE(MatchWorld, "reports without a person are asked for each person with an outcome that none holds") {
  auto const response = act("operator", "generateReport", R"({"date":"2026-11-29"})");
  CHECK(response.status == 202);
  CHECK(published.size() == 2);  // ann and bob
  execute("INSERT INTO omniscient_report_outcomes (user_id, outcome_id, report_id) VALUES ('" + std::string(ann) +
          "', '" + std::string(outcome) + "', '" + std::string(report) + "')");
  published.clear();
  act("operator", "generateReport", "{}");
  REQUIRE(published.size() == 1);
  CHECK(published[0].key == bob);
  CHECK(act("operator", "generateReport", R"({"date":"29.11.2026"})").status == 422);
}

TEST_CASE_FIXTURE(MatchWorld, "bad input is refused before anything is published") {
  struct Row {
    std::string_view action;
    std::string params;
    int status;
    std::string_view says;
  };
  execute("UPDATE users SET deep_analysis_consent_at = NULL WHERE handle = 'bob'");
  execute(
      "INSERT INTO users (id, domain, handle, status, deep_analysis_consent_at) VALUES"
      " ('00000000-0000-4000-8000-0000000000aa', 'shop.example', 'no story', 'APPROVED', now())");
  for (auto const& row : std::vector<Row>{
           {"analyzeMatches", R"({"batchSize":0})", 422, "batchSize"},
           {"analyzeMatches", R"({"batchSize":5001})", 422, "batchSize"},
           {"analyzeMatches", R"({"batchSize":"many"})", 422, "batchSize"},
           {"analyzeMatches", R"({"params":{"batchSize":0}})", 422, "batchSize"},
           {"analyzeMatches", "[]", 400, "error"},
           {"analyzeMatches", R"({"params":5})", 400, "error"},
           {"manualMatch", pair_of(ann, ann), 422, "same_person"},
           {"manualMatch", pair_of(ann, nobody), 404, "userIdB"},
           {"manualMatch", pair_of(zed, ann), 404, "userIdA"},
           {"manualMatch", pair_of(ann, bob), 409, "not_eligible"},
           {"manualMatch", pair_of(ann, "00000000-0000-4000-8000-0000000000aa"), 409, "not_eligible"},
           {"manualMatch", R"({"userIdA":"ann","userIdB":"bob"})", 422, "userIdA"},
           {"manualMatch", "{}", 422, "userIdA"},
           {"executeConversation", with_id("matchId", nobody), 404, "matchId"},
           {"executeConversation", with_id("matchId", of_bank), 404, "matchId"},
           {"executeConversation", with_id("matchId", held), 409, "illegal_transition"},
           {"executeConversation", with_id("matchId", withdrawn), 409, "illegal_transition"},
           {"processUserMidnight", R"({"at":"tonight"})", 422, "at"},
           {"processUserMidnight", with_id("userId", nobody), 404, "userId"},
           {"analyzeOutcome", with_id("conversationId", nobody), 404, "conversationId"},
           {"getAnalytics", R"({"dateRange":{"start":"now"}})", 422, "dateRange.start"},
       }) {
    CAPTURE(row.action);
    CAPTURE(row.params);
    auto const response = act("operator", row.action, row.params);
    CHECK(response.status == row.status);
    CHECK(has(response, row.says));
  }
  CHECK(act("admin", "overrideInsights", insights_for(held)).status == 409);
  CHECK(act("admin", "overrideInsights", insights_for(analyzed, "rumour")).status == 422);
  std::string_view constexpr running = "00000000-0000-4000-8000-000000000203";
  execute("INSERT INTO omniscient_conversations (id, match_id, status, domain) VALUES ('" + std::string(running) +
          "', '" + std::string(analyzed) + "', 'active', 'shop.example')");
  CHECK(act("operator", "analyzeOutcome", with_id("conversationId", running)).status == 409);
  auto text = request("operator", "POST", "/v1/actions/analyzeMatches", "{}");
  text.headers.add("Content-Type", "text/plain");
  CHECK(serve(text).status == 415);
  CHECK(act("operator", "getAnalytics", R"({"dateRange":{"start":"2026-11-20","end":"2026-11-19"}})").status == 422);
  CHECK(act("operator", "getAnalytics", R"({"dateRange":{"start":"2026-11-20","end":"2026-11-20"}})").status == 422);
  CHECK(act("operator", "getAnalytics", R"({"dateRange":{"start":"2026-11-19","end":"2026-11-20"}})").status == 200);
  CHECK(act("operator", "analyzeMatches", R"({"batchSize":NaN})").status == 400);
  CHECK(act("operator", "analyzeMatches", R"({"batchSize":"NaN"})").status == 422);
  CHECK(published.empty());
}

TEST_CASE_FIXTURE(MatchWorld, "a report is not asked for before its day begins") {
  execute("UPDATE users SET timezone = 'Pacific/Pago_Pago' WHERE handle = 'ann'");
  execute("UPDATE users SET timezone = 'Pacific/Kiritimati' WHERE handle = 'bob'");
  auto const day = [&](std::string const& zone, int days) {
    return value("SELECT ((now() AT TIME ZONE '" + zone + "')::date + " + std::to_string(days) + ")::text");
  };
  auto const ask = [&](std::string const& date, std::string_view user = {}) {
    return act("operator", "generateReport",
               R"({"date":")" + date + '"' + (user.empty() ? "}" : R"(,"userId":")" + std::string(user) + "\"}"));
  };
  CHECK(ask(day("Pacific/Pago_Pago", 1), ann).status == 422);
  CHECK(has(ask(day("Pacific/Pago_Pago", 1), ann), "\"field\":\"date\""));
  CHECK(ask(day("Pacific/Kiritimati", 1), bob).status == 422);
  CHECK(ask(day("Pacific/Kiritimati", 1)).status == 422);
  CHECK(ask("nonsense").status == 422);
  CHECK(published.empty());
  CHECK(ask(day("Pacific/Pago_Pago", 0), ann).status == 202);
  CHECK(ask(day("Pacific/Kiritimati", 0), bob).status == 202);
  CHECK(published.size() == 2);
  // Without a person: each for whom the day has begun. It is a later day in Kiritimati, always.
  published.clear();
  CHECK(ask(day("Pacific/Kiritimati", 0)).status == 202);
  REQUIRE(published.size() == 1);
  CHECK(published[0].key == bob);
}

TEST_CASE_FIXTURE(MatchWorld, "a request that prefers to wait gets what the worker made of it") {
  auto waiting_request = request("operator", "POST", "/v1/actions/manualMatch", pair_of(eve, ann));
  waiting_request.headers.add("Prefer", "wait=5");
  handled = HandledEvent{};
  auto const made = serve(waiting_request);
  CHECK(made.status == 200);
  CHECK(asked_worker == "match");
  CHECK(made.headers.find("Preference-Applied") == "wait=5");
  CHECK(has(made, "\"match\":{\"id\":\"" + std::string(analyzed)));
  handled = HandledEvent{"not_eligible"};
  auto const parked = serve(waiting_request);
  CHECK(parked.status == 409);
  CHECK(has(parked, "\"success\":false"));
}

TEST_CASE_FIXTURE(MatchWorld, "a batch that prefers to wait is answered once its pairs are analysed") {
  auto batch = request("operator", "POST", "/v1/actions/analyzeMatches", "{}");
  batch.headers.add("Prefer", "wait=1");
  handled = HandledEvent{};
  auto const without_pairs = serve(batch);
  CHECK(without_pairs.status == 200);
  CHECK(has(without_pairs, R"("summary":{"totalUsers":3,"matchesAnalyzed":0,"highValueMatches":0,"scheduled":0,)"));
  // What the worker stores when it requests the pairs; before, another match was analysed.
  on_published = [&](std::vector<Publisher::Event> const& events) {
    pqxx::nontransaction(owner).exec(
        "INSERT INTO omniscient_processing_logs (process_type, action, event_id, domain, status, metadata) VALUES"
        " ('match', 'analyze_batch', $1, 'shop.example', 'completed', '{\"requested\": 2, \"left_out\": 7}')",
        pqxx::params{to_string(event_key(events[0].envelope))});
    pqxx::nontransaction(owner).exec("UPDATE omniscient_matches SET batch_id = $1 WHERE id IN ($2, $3)",
                                     pqxx::params{events[0].key, held, analyzed});
  };
  execute("DELETE FROM omniscient_matches WHERE id = '" + std::string(withdrawn) + "'");
  CHECK(has(serve(batch), R"("matchesAnalyzed":2,"highValueMatches":2,"scheduled":0,"pairsRequested":2,)"
                          R"("pairsLeftOut":7)"));
  // One of them waits for its analysis: until it is there, or the time is over.
  execute("DELETE FROM omniscient_matches WHERE id = '" + std::string(analyzed) + "'");
  add_match(analyzed, ann, eve, "pending_analysis", "shop.example");
  execute("UPDATE omniscient_matches SET analyzed_at = NULL, opportunity_score = NULL WHERE id = '" +
          std::string(analyzed) + "'");
  auto const unfinished = serve(batch);
  CHECK(unfinished.status == 202);
  CHECK_FALSE(has(unfinished, "summary"));
  CHECK(has(unfinished, "event_id"));
  batch.headers.set("Prefer", "wait=20");
  RecordingClient client;
  client.pauses_left = 3;
  client.on_pauses_over = [&] {
    execute(
        "UPDATE omniscient_matches SET status = 'analyzed', analyzed_at = now(), opportunity_score = 0.2 WHERE id = '" +
        std::string(analyzed) + "'");
  };
  auto const finished = serve(batch, client);
  CHECK(finished.status == 200);
  CHECK(has(finished, R"("matchesAnalyzed":2,"highValueMatches":1,"scheduled":0,"pairsRequested":2)"));
}
