// How matches change, in a migrated database as role match.
#include "tests/workers/match/stored_matches.hpp"

#include <array>
#include <map>
#include <set>
#include <thread>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::match;
using namespace omnibus::match::test;

namespace {

bool allowed(std::string const& from, std::string const& to) {
  static std::map<std::string, std::set<std::string>> const transitions{
      {"pending_analysis", {"analyzed", "cancelled"}},
      {"analyzed", {"scheduled", "active", "cancelled"}},
      {"scheduled", {"active", "analyzed", "cancelled"}},
      {"active", {"completed", "analyzed", "cancelled"}}};
  auto const found = transitions.find(from);
  return from == to || (found != transitions.end() && found->second.contains(to));
}

constexpr std::array states{"pending_analysis", "analyzed", "scheduled", "active", "completed", "cancelled"};

}  // namespace

TEST_CASE("a match makes exactly the transitions it may") {
  StoredMatches tables;
  for (std::string const from : states)
    for (std::string const to : states) {
      auto const match = tables.add_match(1, 2, from);
      auto changed = true;
      try {
        tables.in_unit([&](UnitOfWork& unit) {
          unit.transaction().exec("UPDATE omniscient_matches SET status = '" + to + "' WHERE id = '" +
                                  to_string(match) + "'");
        });
      } catch (pqxx::check_violation const&) {
        changed = false;
      }
      CHECK_MESSAGE(changed == allowed(from, to), from << " to " << to);
      tables.execute("DELETE FROM omniscient_matches");
    }
}

TEST_CASE("only the match worker writes people and matches") {
  StoredMatches tables;
  auto const match = tables.add_match(1, 2, "analyzed");
  for (auto const* role : {"conversation", "outcome", "report", "gateway", "chat"})
    for (auto const* sql : {"UPDATE omniscient_matches SET status = 'scheduled'", "DELETE FROM omniscient_matches",
                            "INSERT INTO omniscient_matches SELECT * FROM omniscient_matches",
                            "UPDATE users SET status = 'SUSPENDED'", "UPDATE personal_stories SET narrative = 'x'",
                            "DELETE FROM omniscient_insights", "DELETE FROM omniscient_blocks"}) {
      auto refused = false;
      try {
        tables.in_unit([&](UnitOfWork& unit) { unit.transaction().exec(sql); }, role);
      } catch (pqxx::insufficient_privilege const&) {
        refused = true;
      }
      CHECK_MESSAGE(refused, role << ": " << sql);
    }
  CHECK(tables.status(match) == "analyzed");
}

TEST_CASE("a pair has one live match, and another one only after it ended") {
  StoredMatches tables;
  auto const event = random_uuid();
  auto const first = tables.open(event);
  REQUIRE(first);
  CHECK(first->status == "pending_analysis");
  CHECK(tables.open(event)->id == first->id);
  CHECK(tables.open(random_uuid())->id == first->id);
  tables.set_status(first->id, "cancelled");
  auto const second = tables.open(event);  // redriven
  REQUIRE(second);
  CHECK(second->id != first->id);
  CHECK(tables.value("SELECT count(*) FROM omniscient_matches") == "2");
  tables.execute("DELETE FROM users WHERE id = '" + to_string(user(2)) + "'");
  CHECK_FALSE(tables.open());
}

TEST_CASE("batches that overlap at the same time request each pair once") {
  StoredMatches tables;
  for (int i = 3; i <= 12; ++i) tables.add_person(i);
  std::vector<Pair> pairs;
  for (int i = 1; i <= 12; ++i)
    for (int k = i + 1; k <= 12; ++k) pairs.push_back({user(i), user(k)});
  auto backwards = pairs;
  std::reverse(backwards.begin(), backwards.end());
  std::array<std::vector<Pair>, 3> added;
  std::array<std::thread, 3> batches;
  for (std::size_t i = 0; i < batches.size(); ++i)
    batches[i] = std::thread{[&, i] {
      tables.in_unit([&](UnitOfWork& unit) {
        added[i] = tables.store.add(unit, shop, user(100 + static_cast<int>(i)), i == 1 ? backwards : pairs);
      });
    }};
  for (auto& batch : batches) batch.join();
  std::set<Pair> once;
  for (auto const& each : added) once.insert(each.begin(), each.end());
  CHECK(once.size() == pairs.size());
  CHECK(added[0].size() + added[1].size() + added[2].size() == pairs.size());
  CHECK(tables.value("SELECT count(*) FROM omniscient_matches WHERE status = 'pending_analysis'") == "66");
}

TEST_CASE("a batch adds no pair of people who are gone, of another tenant, or with a live match") {
  StoredMatches tables;
  tables.database.add_tenant("other.example");
  tables.add_person(3);
  tables.add_person(4, "UTC", "tea", "cups", "other.example");
  tables.add_match(1, 2, "analyzed");
  tables.add_match(1, 3, "completed");
  std::vector<Pair> added;
  auto const add = [&] {
    tables.in_unit([&](UnitOfWork& unit) {
      added = tables.store.add(
          unit, shop, user(100),
          {{user(2), user(3)}, {user(1), user(2)}, {user(1), user(3)}, {user(1), user(4)}, {user(1), user(5)}});
    });
  };
  add();
  CHECK(added == std::vector<Pair>{{user(2), user(3)}, {user(1), user(3)}});
  add();
  CHECK(added.empty());
}

TEST_CASE("a batch's match has the same id when its pair is analysed, and again in a replay") {
  StoredMatches tables;
  auto const batch = random_uuid();
  auto const stored = [&] { return tables.value("SELECT id || ' ' || batch_id FROM omniscient_matches"); };
  tables.in_unit([&](UnitOfWork& unit) { tables.store.add(unit, shop, batch, {{user(1), user(2)}}); });
  auto const before = stored();
  auto const open = [&](std::string_view role) {
    tables.in_unit(
        [&](UnitOfWork& unit) {
          tables.store.open(unit, random_uuid(), batch, shop, {user(1), user(2)});
        },
        role);
  };
  open("match");
  CHECK(stored() == before);
  tables.execute("DELETE FROM omniscient_matches");
  open("replay");
  CHECK(stored() == before);
}

TEST_CASE("a pair is read within its tenant alone") {
  StoredMatches tables;
  tables.database.add_tenant("other.example");
  tables.add_person(3, "UTC", "secret", "secret", "other.example");
  pqxx::connection connection{tables.database.url_as("match")};
  auto const pair = PostgresMatches::read_over(connection, shop, {user(1), user(2)});
  CHECK(pair.tenant_status == "active");
  CHECK(pair.both_known);
  CHECK(pair.may_meet);
  CHECK_FALSE(pair.live);
  CHECK(pair.ended == 0);
  CHECK(pair.story_b.narrative == "A story.");
  CHECK(pair.story_a.seeking_connections == std::vector<std::string>{"tea"});
  tables.add_match(1, 2, "completed");
  auto const live = tables.add_match(1, 2, "scheduled");
  auto const again = PostgresMatches::read_over(connection, shop, {user(1), user(2)});
  CHECK(again.ended == 1);
  REQUIRE(again.live);
  CHECK(again.live->id == live);
  auto const across = PostgresMatches::read_over(connection, shop, {user(1), user(3)});
  CHECK_FALSE(across.both_known);
  CHECK_FALSE(across.may_meet);
  CHECK(across.story_b.narrative.empty());
  CHECK_FALSE(PostgresMatches::read_over(connection, "nowhere.example", {user(1), user(2)}).tenant_status);
}

TEST_CASE("a match whose analysis fails is cancelled, unless it was analysed before") {
  StoredMatches tables;
  std::optional<OpenMatch> left;
  auto const give_up = [&](std::string const& domain) {
    tables.in_unit([&](UnitOfWork& unit) {
      left = tables.store.give_up(unit, domain, {user(1), user(2)}, "analysis_failed");
    });
  };
  give_up(shop);
  CHECK_FALSE(left);
  auto const match = tables.open()->id;
  give_up("other.example");
  CHECK_FALSE(left);
  give_up(shop);
  REQUIRE(left);
  CHECK(left->status == "cancelled");
  CHECK(tables.status(match) == "cancelled analysis_failed");
  auto const analyzed = tables.add_match(1, 2, "analyzed");
  give_up(shop);
  CHECK(left->id == analyzed);
  CHECK(tables.status(analyzed) == "analyzed");
}

TEST_CASE("insights are replaced with an audit row, once per event") {
  StoredMatches tables;
  auto const match = tables.open()->id;
  REQUIRE(tables.analyse(match) == Stored::stored);
  auto const kept = parse_uuid(tables.value("SELECT id FROM omniscient_insights WHERE insight_type = 'risk'"));
  MatchInsightsOverrideRequested request{shop, match, {}, user(9)};
  request.insights.push_back({kept, "risk", "Farther", "Still far.", 0.7, 0.1});
  request.insights.push_back({{}, "next_step", "Call", "On Monday.", 1, {}});
  std::optional<Override> changed;
  auto const event = random_uuid();
  auto const replace = [&](UnitOfWork& unit) { changed = tables.store.override_insights(unit, event, request); };
  tables.in_unit(replace);
  REQUIRE(changed);
  REQUIRE(changed->before.size() == 2);
  CHECK(changed->before[0].title == "Far");
  REQUIRE(changed->after.size() == 2);
  CHECK(changed->after[0].title == "Call");
  CHECK(changed->after[1].insight_id == kept);
  CHECK(changed->after[1].title == "Farther");
  CHECK(tables.value("SELECT count(*) FROM omniscient_insights") == "2");
  CHECK(tables.value("SELECT concat_ws('|', id, actor, before -> 0 ->> 'title', after -> 0 ->> 'title') FROM "
                     "omniscient_insight_overrides") == to_string(event) + "|" + to_string(user(9)) + "|Far|Call");
  tables.in_unit(replace);
  CHECK_FALSE(changed);
  auto const refuse = [&](MatchInsightsOverrideRequested const& bad) {
    return tables.refuse([&](UnitOfWork& unit) { tables.store.override_insights(unit, random_uuid(), bad); });
  };
  auto bad = request;
  bad.domain = "other.example";
  CHECK(refuse(bad) == "unknown_match");
  bad = request;
  bad.insights[0].insight_id = random_uuid();
  CHECK(refuse(bad) == "invalid_event");
  bad = request;
  bad.insights[1].insight_id = kept;
  CHECK(refuse(bad) == "invalid_event");
  CHECK(tables.value("SELECT count(*) FROM omniscient_insight_overrides") == "1");
}

TEST_CASE("a conversation's end completes its match, or schedules it again until its attempts are used") {
  StoredMatches tables;
  auto const match = tables.add_match(1, 2, "active");
  auto const complete = [&](Uuid const& conversation, bool again = false) {
    auto done = false;
    tables.in_unit([&](UnitOfWork& unit) { done = tables.store.complete(unit, match, conversation, again); });
    return done;
  };
  auto const fail = [&](std::int32_t attempt, std::string const& reason = "model_failed") {
    AfterConversation after;
    tables.in_unit(
        [&](UnitOfWork& unit) { after = tables.store.fail(unit, match, conversation_of(match, attempt), reason, 3); });
    return after;
  };
  CHECK_FALSE(complete(random_uuid()));
  CHECK_FALSE(fail(1).schedule);  // another attempt's
  for (int attempt = 0; attempt < 2; ++attempt) {
    CHECK(fail(attempt).schedule);
    CHECK(tables.status(match) == "scheduled");
    CHECK_FALSE(fail(attempt).schedule);  // told again
    CHECK_FALSE(complete(conversation_of(match, attempt)));
    tables.set_status(match, "active");
  }
  CHECK(fail(2).cancelled_reason == "attempts_used");
  CHECK(tables.status(match) == "cancelled attempts_used");
  CHECK_FALSE(complete(conversation_of(match, 3)));
}

TEST_CASE("a conversation that ended because people withdrew gets no other one") {
  for (std::string const reason : {"withdrawn", "erased"}) {
    StoredMatches tables;
    auto const match = tables.add_match(1, 2, "active");
    tables.in_unit([&](UnitOfWork& unit) {
      CHECK(tables.store.fail(unit, match, conversation_of(match, 0), reason, 3).cancelled_reason == reason);
    });
    CHECK(tables.status(match) == "cancelled " + reason);
  }
}

TEST_CASE("a replay writes no person, block or override, and restores matches") {
  StoredMatches tables;
  auto const match = tables.add_match(1, 2, "analyzed");
  for (auto const* sql : {"UPDATE users SET status = 'SUSPENDED'", "UPDATE users SET timezone = 'UTC'",
                          "UPDATE personal_stories SET narrative = 'x'", "DELETE FROM personal_stories",
                          "DELETE FROM users", "DELETE FROM omniscient_blocks",
                          "INSERT INTO omniscient_blocks SELECT a.id, b.id FROM users a, users b WHERE a.id < b.id",
                          "INSERT INTO omniscient_insight_overrides SELECT * FROM omniscient_insight_overrides"})
    CHECK_THROWS_AS_MESSAGE(tables.in_unit([&](UnitOfWork& unit) { unit.transaction().exec(sql); }, "replay"),
                            pqxx::insufficient_privilege, sql);
  AnalysedMatch const analysed{"0.29", "{}", R"({"NO_MATCH":1.0})", "NO_MATCH", "Summary.", "Why.", {}};
  CHECK(tables.store_analysis(match, analysed, false, "replay").stored == Stored::stored);
}

TEST_CASE("a replay completes a match that it restored, and no other one") {
  for (auto const& [before, after] : {std::pair<std::string, std::string>{"analyzed", "completed"},
                                      {"active", "completed"},
                                      {"scheduled", "scheduled"},
                                      {"cancelled", "cancelled"}}) {
    StoredMatches tables;
    auto const match = tables.add_match(1, 2, before);
    tables.in_unit([&](UnitOfWork& unit) { tables.store.complete(unit, match, conversation_of(match, 0), true); },
                   "replay");
    CHECK(tables.status(match) == after);
  }
}
