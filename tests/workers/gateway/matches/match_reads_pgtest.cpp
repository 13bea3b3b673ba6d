#include "tests/workers/gateway/matches/match_world.hpp"

#include <set>
#include <string>

using namespace omnibus;
using namespace omnibus::gateway;
using namespace omnibus::gateway::test;

namespace {

/// How often a text stands in the body.
int count_of(http::Response const& response, std::string_view text) {
  int count = 0;
  for (auto at = response.body.find(text); at != std::string::npos; at = response.body.find(text, at + 1)) ++count;
  return count;
}

std::string target(std::string_view prefix, std::string_view id, std::string_view rest = "") {
  return std::string(prefix) + std::string(id) + std::string(rest);
}

}  // namespace

TEST_CASE_FIXTURE(MatchWorld, "a person sees own matches, conversations, outcomes and reports and nobody else's") {
  struct Row {
    std::string_view list, name;
    int ann, bob, eve, agent, operator_role, admin, banker;
  };
  for (auto const& row :
       {Row{"/v1/matches", "\"status\":", 2, 2, 2, 0, 3, 3, 1}, Row{"/v1/people", "\"handle\":", 1, 1, 1, 0, 3, 3, 2},
        Row{"/v1/agent-conversations", "\"status\":", 1, 1, 0, 0, 1, 1, 0},
        Row{"/v1/outcomes", "\"outcome_analysis\":", 1, 1, 0, 0, 1, 1, 0},
        Row{"/v1/reports", "\"report_date\":", 1, 0, 0, 0, 1, 1, 0}}) {
    CAPTURE(row.list);
    for (auto const& [token, seen] : {std::pair{"ann", row.ann},
                                      {"bob", row.bob},
                                      {"eve", row.eve},
                                      {"agent", row.agent},
                                      {"operator", row.operator_role},
                                      {"admin", row.admin},
                                      {"banker", row.banker}}) {
      CAPTURE(token);
      auto const response = get(token, std::string(row.list));
      CHECK(response.status == 200);
      CHECK(count_of(response, row.name) == seen);
    }
    CHECK(get("service", std::string(row.list)).status == 403);
    CHECK(get("", std::string(row.list)).status == 401);
    CHECK(get("everywhere", std::string(row.list)).status == 400);
    CHECK(count_of(get("everywhere", std::string(row.list) + "?domain=shop.example"), row.name) == row.operator_role);
  }
}

TEST_CASE_FIXTURE(MatchWorld, "what belongs to others is not found") {
  for (auto const& path : {target("/v1/matches/", held), target("/v1/matches/", held, "/insights"),
                           target("/v1/agent-conversations/", talk), target("/v1/reports/", report),
                           target("/v1/people/", ann), target("/v1/agent-conversations/", talk, "/events")}) {
    CAPTURE(path);
    CHECK(get("ann", path).status == 200);
    CHECK(get("operator", path).status == 200);
    CHECK(get("eve", path).status == 404);
    CHECK(get("banker", path).status == 404);
    CHECK(get("agent", path).status == 404);
  }
  CHECK(get("ann", target("/v1/people/", bob)).status == 404);
  CHECK(get("operator", "/v1/matches/no-uuid").status == 404);
  for (auto const& [path, title] : {std::pair{"/v1/people/", "No such person"},
                                    {"/v1/matches/", "No such match"},
                                    {"/v1/agent-conversations/", "No such conversation"},
                                    {"/v1/reports/", "No such report"}})
    CHECK(has(get("operator", target(path, nobody)), R"("title":")" + std::string(title)));
}

TEST_CASE_FIXTURE(MatchWorld, "without a role, a principal or a tenant set, no row is seen") {
  pqxx::connection connection{database.url_as("gateway")};
  pqxx::nontransaction query{connection};
  for (auto const* const table :
       {"users", "personal_stories", "omniscient_matches", "omniscient_insights", "omniscient_match_insights",
        "omniscient_insight_overrides", "omniscient_conversations", "omniscient_turns", "omniscient_outcomes",
        "omniscient_reports", "omniscient_processing_logs"}) {
    CAPTURE(table);
    CHECK(query.query_value<int>("SELECT count(*) FROM " + std::string(table)) == 0);
  }
}

TEST_CASE_FIXTURE(MatchWorld, "insights: a person sees no risk, an operator does, and overrides are for admins") {
  auto const path = target("/v1/matches/", held, "/insights");
  auto const own = get("ann", path);
  CHECK(has(own, "both cook"));
  CHECK_FALSE(has(own, "both late"));
  CHECK_FALSE(has(own, "overrides"));
  auto const staff = get("operator", path);
  CHECK(has(staff, "both late"));
  CHECK_FALSE(has(staff, "overrides"));
  CHECK(has(get("admin", path), "\"overrides\":[{"));
}

TEST_CASE_FIXTURE(MatchWorld, "a person is not told why a match was cancelled or a conversation broke off") {
  CHECK(has(get("operator", target("/v1/matches/", withdrawn)), "withdrawn"));
  auto const own = get("eve", target("/v1/matches/", withdrawn));
  CHECK(has(own, "cancelled"));
  CHECK_FALSE(has(own, "withdrawn"));
  CHECK_FALSE(has(own, "reasons"));
  std::string_view constexpr broken = "00000000-0000-4000-8000-000000000202";
  add_conversation(broken, "failed");
  CHECK(has(get("operator", target("/v1/agent-conversations/", broken)), "withdrawn"));
  CHECK_FALSE(has(get("ann", target("/v1/agent-conversations/", broken)), "withdrawn"));
  CHECK_FALSE(has(get("ann", "/v1/agent-conversations"), "withdrawn"));
  CHECK_FALSE(has(get("ann", target("/v1/agent-conversations/", broken, "/events")), "withdrawn"));
}

TEST_CASE_FIXTURE(MatchWorld, "a conversation comes with its turns in order and its outcome") {
  auto const response = get("bob", target("/v1/agent-conversations/", talk));
  CHECK(response.body.find("words 1") < response.body.find("words 2"));
  CHECK(has(response, "\"turn_count\":2"));
  CHECK(has(response, "\"outcome\":{"));
}

TEST_CASE_FIXTURE(MatchWorld,
                  "each reading of a conversation by a person of the team is logged, own readings are not") {
  get("ann", target("/v1/agent-conversations/", talk));
  get("ann", target("/v1/agent-conversations/", talk, "/events"));
  CHECK(value("SELECT count(*) FROM access_log") == "0");
  get("operator", target("/v1/agent-conversations/", talk));
  get("operator", target("/v1/agent-conversations/", talk, "/events"));
  act("admin", "getConversationDetails", R"({"conversationId":")" + std::string(talk) + "\"}");
  get("operator", target("/v1/agent-conversations/", nobody));
  CHECK(value("SELECT count(*) FROM access_log WHERE action = 'agent_conversation.read' AND object = '" +
              std::string(talk) + "'") == "3");
}

TEST_CASE_FIXTURE(MatchWorld, "pages hold each row once, although all were created at the same time") {
  execute(
      "INSERT INTO users (domain, handle, created_at) SELECT 'shop.example', 'same' || n, '2026-01-01' FROM"
      " generate_series(1, 60) n");
  execute("UPDATE users SET created_at = '2026-01-01'");
  std::set<std::string> seen;
  int offset = 0;
  for (int pages = 0; pages < 10; ++pages, offset += 7) {
    auto const response = get("operator", "/v1/people?limit=7&offset=" + std::to_string(offset));
    for (auto at = response.body.find("\"id\":\""); at != std::string::npos;
         at = response.body.find("\"id\":\"", at + 1))
      CHECK(seen.insert(response.body.substr(at + 6, 36)).second);
    if (!has(response, "next_offset")) break;
  }
  CHECK(seen.size() == 63);
  CHECK(has(get("operator", "/v1/people"), "\"next_offset\":10"));
  CHECK(count_of(get("operator", "/v1/people?limit=1000"), "\"handle\":") == 63);
}

TEST_CASE_FIXTURE(MatchWorld, "lists are filtered by what their parameters say") {
  CHECK(count_of(get("operator", "/v1/matches?status=analyzed"), "\"id\":") == 1);
  CHECK(count_of(get("operator", "/v1/matches?min_score=0.70"), "\"id\":") == 3);
  CHECK(count_of(get("operator", "/v1/matches?min_score=0.71"), "\"id\":") == 0);
  CHECK(count_of(get("operator", target("/v1/matches?user_id=", ann)), "\"id\":") == 2);
  CHECK(count_of(get("operator", target("/v1/agent-conversations?match_id=", held)), "\"match_id\":") == 1);
  CHECK(count_of(get("operator", target("/v1/agent-conversations?user_id=", eve)), "\"match_id\":") == 0);
  CHECK(count_of(get("operator", "/v1/agent-conversations?from=2026-01-01T00:00:00Z"), "\"match_id\":") == 1);
  CHECK(count_of(get("operator", "/v1/agent-conversations?to=2026-01-01"), "\"match_id\":") == 0);
  CHECK(count_of(get("operator", "/v1/outcomes?follow_up_recommended=true"), "\"id\":") == 0);
  CHECK(count_of(get("operator", target("/v1/outcomes?conversation_id=", talk)), "\"id\":") == 1);
  CHECK(count_of(get("operator", "/v1/processing-logs?process_type=match&status=completed"), "\"id\":") == 1);
  CHECK(count_of(get("operator", "/v1/processing-logs?process_type=outcome"), "\"id\":") == 0);
  CHECK(count_of(get("operator", "/v1/reports?date=2026-11-29"), "\"id\":") == 1);
}

TEST_CASE_FIXTURE(MatchWorld, "a parameter that is none is refused with its name") {
  for (auto const* const path :
       {"/v1/matches?status=over", "/v1/matches?min_score=1.1", "/v1/matches?min_score=nan", "/v1/matches?user_id=ann",
        "/v1/matches?limit=0", "/v1/matches?limit=x", "/v1/matches?offset=-1", "/v1/people?status=approved",
        "/v1/agent-conversations?from=yesterday", "/v1/agent-conversations?from=2026-11-20T10:00:00",
        "/v1/agent-conversations?from=2026-11-20&to=2026-11-20", "/v1/outcomes?follow_up_recommended=yes",
        "/v1/processing-logs?process_type=", "/v1/processing-logs?process_type=%0A", "/v1/reports?date=2026-13-01"}) {
    CAPTURE(path);
    auto const response = get("operator", path);
    CHECK(response.status == 400);
    CHECK(has(response, "\"field\":"));
  }
}

TEST_CASE_FIXTURE(MatchWorld, "logs and measures are for operators and admins") {
  for (auto const* const path :
       {"/v1/processing-logs", "/v1/match-analytics", "/v1/match-calibration", "/v1/system-health"}) {
    CAPTURE(path);
    for (auto const* const token : {"ann", "agent", "service"}) CHECK(get(token, path).status == 403);
    for (auto const* const token : {"operator", "admin", "banker"}) CHECK(get(token, path).status == 200);
  }
  CHECK(has(get("operator", "/v1/match-analytics"), "\"totalMatches\": 3"));
  CHECK(has(get("banker", "/v1/match-analytics"), "\"totalMatches\": 1"));
  CHECK(has(get("operator", "/v1/match-calibration"), "\"reliability\""));
}

TEST_CASE_FIXTURE(MatchWorld, "a time zone that PostgreSQL does not know any more is counted in the system's health") {
  execute("UPDATE users SET timezone = 'US/Pacific-New' WHERE handle = 'ann'");
  auto const health = get("operator", "/v1/system-health");
  CHECK(health.status == 200);
  CHECK(has(health, "\"unknownTimeZones\": 1"));
  CHECK(has(health, "\"alerts\": [{"));
  CHECK_FALSE(has(get("operator", "/v1/system-health"), "bank.example"));
}
