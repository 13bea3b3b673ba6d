/// The tables of matches: as the requirements have them, and seen by nobody whom they do not concern.
#include "database_fixture.hpp"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include <doctest/doctest.h>

using namespace omnibus;

namespace {

std::string seed() {
  std::ifstream file{OMNIBUS_SOURCE_DIR "/tests/common/postgres/seed_matches.sql"};
  std::ostringstream text;
  text << file.rdbuf();
  REQUIRE_FALSE(text.str().empty());
  return text.str();
}

/// A database with the seed's tables in a schema `seed`, beside the migrations' in `public`.
struct Seeded {
  Seeded() {
    pqxx::connection admin{database.url()};
    pqxx::work work{admin};
    work.exec(
        "CREATE SCHEMA seed; SET LOCAL search_path = seed; CREATE TABLE users (id uuid PRIMARY KEY, auth_user_id uuid, "
        "role text)");
    work.exec(seed());
    work.commit();
  }

  /// The rows of a query, one text each, read with this schema in front.
  std::vector<std::string> rows(std::string const& schema, std::string const& query) {
    pqxx::connection admin{database.url()};
    pqxx::work work{admin};
    work.exec("SET LOCAL search_path = " + schema);
    std::vector<std::string> result;
    for (auto const& [row] : work.query<std::string>(query)) result.push_back(row);
    return result;
  }

  test::TestDatabase database;
};

/// Two people of a tenant with a match and all that belongs to it, a third one without, a person of another tenant, and
/// their principals. Ids end with the digit of the person.
struct MatchedPeople {
  MatchedPeople() {
    pqxx::connection admin{database.url()};
    pqxx::nontransaction{admin}.exec(R"(
      INSERT INTO tenants (domain) VALUES ('a.example'), ('b.example');
      INSERT INTO principals (id, domain, role, kind, name)
      SELECT ('00000000-0000-4000-9000-00000000000' || n)::uuid, CASE WHEN n < 4 THEN 'a.example' ELSE 'b.example' END,
             'visitor', 'person', 'p' FROM generate_series(1, 5) n;
      INSERT INTO users (id, domain, auth_user_id, handle, status)
      SELECT ('00000000-0000-4000-8000-00000000000' || n)::uuid, CASE WHEN n < 4 THEN 'a.example' ELSE 'b.example' END,
             ('00000000-0000-4000-9000-00000000000' || n)::uuid, 'p' || n, 'APPROVED' FROM generate_series(1, 5) n;
      INSERT INTO personal_stories (user_id, narrative) SELECT id, 'story' FROM users;
      INSERT INTO omniscient_matches (id, domain, user_a_id, user_b_id)
      SELECT ('00000000-0000-4000-a000-00000000000' || a)::uuid, domain,
             ('00000000-0000-4000-8000-00000000000' || a)::uuid, ('00000000-0000-4000-8000-00000000000' || a + 1)::uuid
      FROM (VALUES (1, 'a.example'), (4, 'b.example')) AS m (a, domain);
      INSERT INTO omniscient_insights (domain, insight_type, title, description, user_a_id, user_b_id)
      SELECT domain, kind::omniscient_insight_type, kind, 'd', user_a_id, user_b_id
      FROM omniscient_matches, unnest(ARRAY['synergy', 'risk']) kind;
      INSERT INTO omniscient_match_insights (match_id, insight_id)
      SELECT m.id, i.id FROM omniscient_matches m JOIN omniscient_insights i USING (user_a_id, user_b_id);
      INSERT INTO omniscient_insight_overrides (match_id, before, after) SELECT id, '[]', '[]' FROM omniscient_matches;
      INSERT INTO omniscient_conversations (domain, match_id) SELECT domain, id FROM omniscient_matches;
      INSERT INTO omniscient_turns (conversation_id, turn_number, speaker_user_id, speaker_role, message)
      SELECT c.id, 1, m.user_a_id, 'agent_a', 'hello'
      FROM omniscient_conversations c JOIN omniscient_matches m ON m.id = c.match_id;
      INSERT INTO omniscient_outcomes (domain, conversation_id, match_id, outcome_analysis)
      SELECT domain, id, match_id, 'good' FROM omniscient_conversations;
      INSERT INTO omniscient_reports (domain, user_id, report_date, text, html)
      SELECT domain, user_a_id, '2026-11-30', 't', 'h' FROM omniscient_matches;
      INSERT INTO omniscient_report_outcomes (user_id, outcome_id, report_id)
      SELECT r.user_id, o.id, r.id FROM omniscient_reports r JOIN omniscient_outcomes o USING (domain);
      INSERT INTO omniscient_processing_logs (domain, process_type, action, event_id)
      SELECT domain, 'match', 'analyze_pair', gen_random_uuid() FROM tenants;)");
  }

  /// How many rows of a table the gateway sees as this principal.
  int seen(std::string const& table, std::string const& tenant, std::string const& role, std::string const& principal) {
    pqxx::connection gateway{database.url_as("gateway")};
    pqxx::work work{gateway};
    work.exec(
        "SELECT set_config('app.tenant', $1, true), set_config('app.role', $2, true), "
        "set_config('app.principal', $3, true)",
        pqxx::params{tenant, role, principal});
    return work.query_value<int>("SELECT count(*) FROM " + table);
  }

  static std::string principal(int person) { return "00000000-0000-4000-9000-00000000000" + std::to_string(person); }

  test::TestDatabase database;
};

constexpr std::string_view tables[] = {"users",
                                       "personal_stories",
                                       "omniscient_matches",
                                       "omniscient_insights",
                                       "omniscient_match_insights",
                                       "omniscient_insight_overrides",
                                       "omniscient_conversations",
                                       "omniscient_turns",
                                       "omniscient_outcomes",
                                       "omniscient_reports",
                                       "omniscient_report_outcomes",
                                       "omniscient_processing_logs"};

}  // namespace

TEST_CASE("the tables of matches have the columns, enums and indexes of the requirements") {
  Seeded seeded;
  // A column may be stricter here: not null.
  auto const columns = [](std::string const& schema) {
    return "SELECT table_name || '.' || column_name || ' ' || udt_name || coalesce(numeric_precision::text, '') || "
           "coalesce(numeric_scale::text, '') || coalesce(' ' || replace(column_default, 'seed.', ''), '') "
           "FROM information_schema.columns WHERE table_schema = '" +
           schema + "' AND table_name LIKE 'omniscient%' ORDER BY 1";
  };
  auto const ours = seeded.rows("public", columns("public"));
  auto const theirs = seeded.rows("seed", columns("seed"));
  CHECK(theirs.size() == 77);
  for (auto const& column : theirs) {
    CAPTURE(column);
    CHECK(std::ranges::find(ours, column) != ours.end());
  }
  auto const enums = [](std::string const& schema) {
    return "SELECT typname || ' ' || enumlabel || ' ' || enumsortorder FROM pg_enum e JOIN pg_type t ON t.oid = "
           "e.enumtypid WHERE typnamespace = '" +
           schema + "'::regnamespace ORDER BY 1";
  };
  CHECK(seeded.rows("public", enums("public")) == seeded.rows("seed", enums("seed")));
  auto const indexes = [](std::string const& schema) {
    return "SELECT indexname || ' ' || split_part(indexdef, ' USING ', 2) FROM pg_indexes WHERE schemaname = '" +
           schema + "' AND indexname LIKE 'idx_omniscient%' ORDER BY 1";
  };
  CHECK(seeded.rows("public", indexes("public")) == seeded.rows("seed", indexes("seed")));
}

TEST_CASE("the 18 policies of the requirements are there unchanged, and others beside them") {
  Seeded seeded;
  auto const policies = [](std::string const& schema) {
    return "SELECT concat_ws(' | ', tablename, policyname, permissive, roles, cmd, qual, with_check) FROM pg_policies "
           "WHERE schemaname = '" +
           schema + "' ORDER BY 1";
  };
  auto const ours = seeded.rows("public", policies("public"));
  auto const theirs = seeded.rows("seed", policies("seed"));
  CHECK(theirs.size() == 18);
  for (auto const& policy : theirs) {
    CAPTURE(policy);
    CHECK(std::ranges::find(ours, policy) != ours.end());
  }
}

TEST_CASE("a person sees what belongs to them, and nothing of anybody else") {
  MatchedPeople people;
  std::tuple<std::string_view, int> const own[] = {{"users", 1},
                                                   {"personal_stories", 1},
                                                   {"omniscient_matches", 1},
                                                   {"omniscient_insights", 1},  // not the risk
                                                   {"omniscient_match_insights", 2},
                                                   {"omniscient_insight_overrides", 0},
                                                   {"omniscient_conversations", 1},
                                                   {"omniscient_turns", 1},
                                                   {"omniscient_outcomes", 1},
                                                   {"omniscient_reports", 1},
                                                   {"omniscient_report_outcomes", 0},
                                                   {"omniscient_processing_logs", 0}};
  for (auto const& entry : own) {
    std::string const table{std::get<0>(entry)};
    auto const expected = std::get<1>(entry);
    CAPTURE(table);
    CHECK(people.seen(table, "a.example", "visitor", MatchedPeople::principal(1)) == expected);
    // The third person has a story, and no match.
    CHECK(people.seen(table, "a.example", "visitor", MatchedPeople::principal(3)) ==
          (table == "users" || table == "personal_stories" ? 1 : 0));
    // In the name of another tenant, nothing.
    CHECK(people.seen(table, "b.example", "visitor", MatchedPeople::principal(1)) == 0);
  }
  // The report is the first person's.
  CHECK(people.seen("omniscient_reports", "a.example", "visitor", MatchedPeople::principal(2)) == 0);
  CHECK(people.seen("omniscient_outcomes", "a.example", "visitor", MatchedPeople::principal(2)) == 1);
}

TEST_CASE("operators and admins see their tenant; other roles, and nobody, see nothing") {
  MatchedPeople people;
  for (auto const name : tables) {
    std::string const table{name};
    CAPTURE(table);
    for (auto const* role : {"operator", "admin"}) CHECK(people.seen(table, "a.example", role, "") > 0);
    for (auto const* role : {"visitor", "agent", "service", ""}) CHECK(people.seen(table, "a.example", role, "") == 0);
    CHECK(people.seen(table, "", "admin", "") == 0);
    CHECK(people.seen(table, "", "", "") == 0);
  }
  CHECK(people.seen("omniscient_matches", "a.example", "operator", "") == 1);
  CHECK(people.seen("omniscient_insights", "a.example", "operator", "") == 2);
}

TEST_CASE("a person who is deleted takes along all that was said with them") {
  MatchedPeople people;
  pqxx::connection admin{people.database.url()};
  pqxx::nontransaction change{admin};
  change.exec("DELETE FROM users WHERE handle = 'p1'");
  for (auto const name : tables) {
    std::string const table{name};
    if (table == "users" || table == "personal_stories" || table == "omniscient_processing_logs") continue;
    CAPTURE(table);
    CHECK(people.seen(table, "a.example", "operator", "") == 0);
    CHECK(people.seen(table, "b.example", "operator", "") > 0);
  }
}

TEST_CASE("a person's token speaks for that person") {
  MatchedPeople people;
  pqxx::connection admin{people.database.url()};
  pqxx::nontransaction{admin}.exec("INSERT INTO api_tokens (token_sha256, principal_id) VALUES (sha256('one'), $1)",
                                   pqxx::params{MatchedPeople::principal(1)});
  pqxx::connection gateway{people.database.url_as("gateway")};
  pqxx::nontransaction query{gateway};
  auto const [principal, person, domain, role] =
      query.query1<std::string, std::string, std::string, std::string>("SELECT * FROM authenticate(sha256('one'))");
  CHECK(principal == MatchedPeople::principal(1));
  CHECK(person == "00000000-0000-4000-8000-000000000001");
  CHECK(domain == "a.example");
  CHECK(role == "visitor");
}

TEST_CASE("a conversation's status only goes forward") {
  MatchedPeople people;
  pqxx::connection worker{people.database.url_as("conversation")};
  std::vector<std::string> const states{"scheduled", "active", "completed", "failed"};
  for (auto const& from : states) {
    for (auto const& to : states) {
      if (from == to) continue;
      CAPTURE(from);
      CAPTURE(to);
      pqxx::connection admin{people.database.url()};
      pqxx::nontransaction{admin}.exec(
          "ALTER TABLE omniscient_conversations DISABLE TRIGGER ALL; UPDATE omniscient_conversations SET status = '" +
          from + "'; ALTER TABLE omniscient_conversations ENABLE TRIGGER ALL");
      auto const allowed = (from == "scheduled" && (to == "active" || to == "failed")) ||
                           (from == "active" && (to == "completed" || to == "failed"));
      pqxx::nontransaction update{worker};
      auto const change = "UPDATE omniscient_conversations SET status = '" + to + "'";
      if (allowed)
        CHECK_NOTHROW(update.exec(change));
      else
        CHECK_THROWS_AS(update.exec(change), pqxx::check_violation);
    }
  }
}
