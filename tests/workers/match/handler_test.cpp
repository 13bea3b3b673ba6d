#include "tests/workers/match/matching.hpp"

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::match;
using namespace omnibus::match::test;
using Kind = FakeContext::Kind;

namespace {

PersonRecorded recorded(std::string zone = "Africa/Kigali") {
  PersonRecorded event;
  event.domain = domain;
  event.user_id = person(1);
  event.handle = "Alice";
  event.timezone = std::move(zone);
  event.status = "APPROVED";
  return event;
}

/// A batch of one tenant's pairs of person 0 with others, all of whom have their own match with the next.
Candidates chain(int people) {
  Candidates candidates{"active", people, people - 1, {}};
  for (int i = 1; i < people; ++i) candidates.ordered.push_back(pair_of(person(i), person(i + 1)));
  return candidates;
}

std::vector<DueMatch> due(int matches) {
  std::vector<DueMatch> all;
  for (int i = 1; i <= matches; ++i) all.push_back({person(i), domain, true, 0});
  return all;
}

}  // namespace

TEST_CASE("a person is stored, and the matches that this forbids are cancelled") {
  Matching matching;
  matching.tables.cancelled_by_person = {person(5)};
  CHECK(matching.context.hand(*matching.handler, recorded()) == Kind::handled);
  CHECK(matching.tables.people.size() == 1);
  REQUIRE(matching.context.published<MatchCancelled>().size() == 1);
  CHECK(matching.context.published<MatchCancelled>()[0].reason == "withdrawn");
  CHECK(matching.context.last_published_key() == to_string(person(5)));
  CHECK(matching.tables.log.back().action == "record_person");
}

TEST_CASE("a person with a time zone that PostgreSQL does not list is refused") {
  for (auto const* zone : {"PST", "+03", "FOO-7", "EST5EDT,M3.2.0,M11.1.0", "localtime", "africa/kigali"}) {
    Matching matching;
    auto const ended = matching.context.hand(*matching.handler, recorded(zone));
    CHECK_MESSAGE(ended == Kind::parked, zone);
    CHECK(ended.error_class == "invalid_event");
    CHECK(ended.reason.find("timezone") == 0);
    CHECK(matching.tables.people.empty());
    CHECK(matching.tables.log.back().status == "invalid_event");
  }
}

TEST_CASE("a batch requests each pair once, with its key") {
  Matching matching;
  matching.tables.candidates = chain(4);
  CHECK(matching.context.hand(*matching.handler, MatchBatchRequested{domain, person(99), 200, {}}) == Kind::handled);
  auto const requested = matching.context.published<MatchPairRequested>();
  REQUIRE(requested.size() == 3);
  CHECK(requested[0].user_a_id == person(1));
  CHECK(requested[2].batch_id == person(99));
  CHECK(matching.context.last_published_key() == key_of(pair_of(person(3), person(4))));
  CHECK(matching.model.asked() == 0);
  CHECK(matching.tables.log.back().notes == R"({"people":4,"candidates":3,"requested":3,"left_out":0})");
}

TEST_CASE("a batch does not request pairs that another batch has requested") {
  Matching matching;
  matching.tables.candidates = chain(4);
  CHECK(matching.context.hand(*matching.handler, MatchBatchRequested{domain, person(98), 200, {}}) == Kind::handled);
  matching.tables.candidates = chain(5);
  CHECK(matching.context.hand(*matching.handler, MatchBatchRequested{domain, person(99), 200, {}}) == Kind::handled);
  auto const requested = matching.context.published<MatchPairRequested>();
  REQUIRE(requested.size() == 4);
  CHECK(requested[3].user_a_id == person(4));
  CHECK(requested[3].batch_id == person(99));
  CHECK(matching.tables.log.back().notes == R"({"people":5,"candidates":4,"requested":1,"left_out":3})");
}

TEST_CASE("a batch that does not say how many pairs it may have gets MATCH_BATCH_SIZE") {
  MatchSettings settings;
  settings.match_batch_size = 2;
  Matching matching{false, settings};
  matching.tables.candidates = chain(6);
  matching.model.script.say(R"({"pairs":[5,2]})");
  CHECK(matching.context.hand(*matching.handler, MatchBatchRequested{domain, person(99), {}, {}}) == Kind::handled);
  CHECK(matching.context.published<MatchPairRequested>().size() == 2);
}

TEST_CASE("a batch that is too long is shortened by one question") {
  Matching matching;
  matching.tables.candidates = chain(6);
  matching.model.script.say(R"({"pairs":[5,2]})");
  CHECK(matching.context.hand(*matching.handler, MatchBatchRequested{domain, person(99), 2, {}}) == Kind::handled);
  auto const requested = matching.context.published<MatchPairRequested>();
  REQUIRE(requested.size() == 2);
  CHECK(requested[0].user_a_id == person(2));
  CHECK(requested[1].user_a_id == person(5));
  CHECK(matching.model.asked() == 1);
  CHECK(matching.tables.log.back().notes == R"({"people":6,"candidates":5,"requested":2,"left_out":3})");
}

TEST_CASE("a batch whose model chooses pairs that were not given takes the first ones") {
  Matching matching;
  matching.tables.candidates = chain(6);
  matching.model.script.say(R"({"pairs":[77,2]})");
  matching.model.script.say(R"({"pairs":[1,2,3]})");
  CHECK(matching.context.hand(*matching.handler, MatchBatchRequested{domain, person(99), 2, {}}) == Kind::handled);
  auto const requested = matching.context.published<MatchPairRequested>();
  REQUIRE(requested.size() == 2);
  CHECK(requested[0].user_a_id == person(1));
  CHECK(requested[1].user_a_id == person(2));
}

TEST_CASE("a tick activates what is due, in batches, and requests the conversations") {
  Matching matching;
  matching.tables.due = due(450);
  matching.tables.due[3].activated = false;
  CHECK(matching.context.hand(*matching.handler, TickMidnight{{"2026-11-30T00:00:00Z", 0}}) == Kind::handled);
  CHECK(matching.tables.due.empty());
  CHECK(matching.context.commits() == 4);
  CHECK(matching.context.published<MatchActivated>().size() == 449);
  auto const requested = matching.context.published<AgentConversationRequested>();
  REQUIRE(requested.size() == 449);
  CHECK(requested[0].conversation_id == conversation_of(person(1), 0));
  CHECK(matching.context.last_published_key() == to_string(conversation_of(person(450), 0)));
  CHECK(matching.context.published<MatchCancelled>().size() == 1);
}

TEST_CASE("a tick that is interrupted goes on with what it left") {
  Matching matching;
  matching.tables.due = due(250);
  matching.context.fail_next_commit(Failure::transient("lost"));
  CHECK(matching.context.hand(*matching.handler, TickMidnight{{"2026-11-30T00:00:00Z", 0}}) == Kind::waits);
  matching.tables.due = due(1);
  CHECK(matching.context.try_again() == Kind::handled);
  CHECK(matching.context.published<MatchActivated>().size() == 251);
}

TEST_CASE("one match can be activated at once, and an active one cannot") {
  Matching matching;
  matching.tables.due = due(2);
  MatchMidnightRequested request{domain, person(99), {}, person(1), {}, {}};
  CHECK(matching.context.hand(*matching.handler, request) == Kind::handled);
  CHECK(matching.context.published<MatchActivated>().size() == 1);
  auto const again = matching.context.hand(*matching.handler, request);
  CHECK(again == Kind::parked);
  CHECK(again.error_class == "illegal_transition");
  CHECK(matching.tables.log.back().status == "illegal_transition");
}

TEST_CASE("a conversation that was held completes its match") {
  Matching matching;
  matching.tables.matches[person(5)].status = "active";
  AgentConversationCompleted const ended{domain, person(5), conversation_of(person(5), 0), "agreed_end", 8};
  CHECK(matching.context.hand(*matching.handler, ended) == Kind::handled);
  CHECK(matching.match().status == "completed");
  CHECK(matching.context.published<MatchCompleted>().size() == 1);
}

TEST_CASE("a match gets another conversation until its attempts are used") {
  Matching matching;
  matching.tables.matches[person(5)].status = "active";
  AgentConversationFailed const ended{domain, person(5), conversation_of(person(5), 0), "model_failed"};
  for (int attempt = 1; attempt <= 3; ++attempt)
    CHECK(matching.context.hand(*matching.handler, ended) == Kind::handled);
  CHECK(matching.context.published<MatchScheduled>().size() == 2);
  REQUIRE(matching.context.published<MatchCancelled>().size() == 1);
  CHECK(matching.context.published<MatchCancelled>()[0].reason == "attempts_used");
}

TEST_CASE("replaced insights are published with those before") {
  Matching matching;
  MatchInsight insight;
  insight.insight_type = "synergy";
  insight.title = "Cases";
  insight.description = "One builds, one repairs.";
  matching.tables.matches[person(5)].insights = {insight};
  MatchInsightsOverrideRequested const request{domain, person(5), {insight, insight}, person(9)};
  CHECK(matching.context.hand(*matching.handler, request) == Kind::handled);
  auto const changed = matching.context.published<MatchInsightsOverridden>();
  REQUIRE(changed.size() == 1);
  CHECK(changed[0].before.size() == 1);
  CHECK(changed[0].after.size() == 2);
  CHECK(changed[0].actor == person(9));
}

TEST_CASE("a replay stores no person, requests no pair, activates and schedules nothing") {
  Matching matching{true};
  matching.tables.candidates = chain(4);
  matching.tables.due = due(2);
  matching.tables.matches[person(5)].status = "active";
  auto& context = matching.context;
  CHECK(context.hand(*matching.handler, recorded()) == Kind::handled);
  CHECK(context.hand(*matching.handler, MatchBatchRequested{domain, person(99), 200, {}}) == Kind::handled);
  CHECK(context.hand(*matching.handler, TickMidnight{{"2026-11-30T00:00:00Z", 0}}) == Kind::handled);
  CHECK(context.hand(*matching.handler, MatchMidnightRequested{domain, person(99), {}, {}, {}, {}}) == Kind::handled);
  CHECK(context.hand(*matching.handler, AgentConversationFailed{domain, person(5), person(6), "refused"}) ==
        Kind::handled);
  CHECK(context.commits() == 0);
  CHECK(matching.match().status == "active");
}
