// Which pairs a batch finds, in a migrated database as role match.
#include "tests/workers/match/match_tables.hpp"
#include "workers/match/candidate_store.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::match;
using namespace omnibus::match::test;

namespace {

constexpr std::chrono::hours ninety_days{24 * 90};

struct CandidateTables : MatchTables {
  Candidates find(std::chrono::milliseconds rematch_after = ninety_days, std::int64_t limit = 100'000) {
    return PostgresCandidates::find_over(connection, shop, rematch_after, limit);
  }
  /// Whether persons 1 and 2 are candidates.
  bool finds_first_two() {
    auto const pairs = find().ordered;
    return std::find(pairs.begin(), pairs.end(), Pair{user(1), user(2)}) != pairs.end();
  }
  void set_share(int percent, bool enabled = true, std::string const& domain = shop) {
    execute("INSERT INTO feature_flags (domain, name, percent, enabled) VALUES ('" + domain +
            "', 'omniscient_matching', " + std::to_string(percent) + ", " + (enabled ? "true" : "false") +
            ") ON CONFLICT (domain, name) DO UPDATE SET percent = excluded.percent, enabled = excluded.enabled");
  }
  /// People from 1 on, made in one statement. `seeks` and `offers` are SQL arrays over the number g.
  void add_people(int count, std::string const& seeks, std::string const& offers,
                  std::string const& story = "'A story.'") {
    execute(
        "INSERT INTO users (id, domain, handle, status, deep_analysis_consent_at) SELECT "
        "('00000000-0000-4000-8000-' || lpad(to_hex(g), 12, '0'))::uuid, 'shop.example', 'person ' || g, "
        "'APPROVED', now() FROM generate_series(1, " +
        std::to_string(count) + ") AS g");
    execute(
        "INSERT INTO personal_stories (user_id, narrative, seeking_connections, offering_expertise) SELECT "
        "('00000000-0000-4000-8000-' || lpad(to_hex(g), 12, '0'))::uuid, " +
        story + ", " + seeks + ", " + offers + " FROM generate_series(1, " + std::to_string(count) + ") AS g");
    execute("ANALYZE users, personal_stories");
  }
  /// How many pairs the person who is in most of them is in, and how many people are in one.
  static std::pair<std::size_t, std::size_t> spread(std::vector<Pair> const& pairs) {
    std::map<Uuid, std::size_t> counts;
    std::size_t most = 0;
    for (auto const& pair : pairs) most = std::max({most, ++counts[pair.a], ++counts[pair.b]});
    return {most, counts.size()};
  }

  pqxx::connection connection{database.url_as("match")};
};

}  // namespace

TEST_CASE("candidates share a word of what one seeks and the other offers, folded and stemmed") {
  CandidateTables tables;
  tables.add_person(1, "UTC", "a cafe for CYCLISTS", "tea");
  tables.add_person(2, "UTC", "tea", "Caf\u00e9s");
  tables.add_person(3, "UTC", "welding", "\uff43\uff59\uff43\uff4c\uff49\uff53\uff54");  // in full width
  tables.add_person(4, "UTC", "a", "for");
  auto const found = tables.find();
  CHECK(found.people == 4);
  CHECK(found.pairs == 2);
  CHECK(found.ordered == std::vector{Pair{user(1), user(2)}, Pair{user(1), user(3)}});  // two words before one
}

TEST_CASE("of equally many words, the stories that are more alike come first, then the ids") {
  CandidateTables tables;
  for (int number = 1; number <= 4; ++number) tables.add_person(number, "UTC", number == 1 ? "tea" : "", "tea");
  tables.execute("UPDATE personal_stories SET narrative = 'I repair old clocks' WHERE user_id IN ('" +
                 to_string(user(1)) + "', '" + to_string(user(3)) + "')");
  CHECK(tables.find().ordered == std::vector{Pair{user(1), user(3)}, Pair{user(1), user(2)}, Pair{user(1), user(4)}});
}

TEST_CASE("only people who may be matched are candidates, and a block works both ways") {
  CandidateTables tables;
  tables.add_person(1, "UTC", "tea", "cups");
  tables.add_person(2, "UTC", "cups", "tea");
  REQUIRE(tables.finds_first_two());
  auto const second = " WHERE id = '" + to_string(user(2)) + "'";
  for (auto const& change :
       {std::pair<std::string, std::string>{"UPDATE users SET status = 'SUSPENDED'" + second,
                                            "UPDATE users SET status = 'APPROVED'" + second},
        {"UPDATE users SET status = 'PENDING'" + second, "UPDATE users SET status = 'APPROVED'" + second},
        {"UPDATE users SET deep_analysis_consent_at = NULL" + second,
         "UPDATE users SET deep_analysis_consent_at = now()" + second},
        {"UPDATE tenants SET status = 'suspended'", "UPDATE tenants SET status = 'active'"},
        {"INSERT INTO omniscient_blocks VALUES ('" + to_string(user(1)) + "', '" + to_string(user(2)) + "')",
         "DELETE FROM omniscient_blocks"},
        {"INSERT INTO omniscient_blocks VALUES ('" + to_string(user(2)) + "', '" + to_string(user(1)) + "')",
         "DELETE FROM omniscient_blocks"}}) {
    tables.execute(change.first);
    CHECK_MESSAGE(!tables.finds_first_two(), change.first);
    tables.execute(change.second);
    CHECK(tables.finds_first_two());
  }
  tables.execute("DELETE FROM personal_stories WHERE user_id = '" + to_string(user(2)) + "'");
  CHECK_FALSE(tables.finds_first_two());
}

TEST_CASE("people who may not be matched do not use up the places of those who may") {
  CandidateTables tables;
  // Each of 91 seeks what the 90 others offer. Of those, 20 are suspended, 25 block person 1, 25 have a live match with
  // person 1, and 20 are left.
  tables.add_people(91, "ARRAY['tea']", "ARRAY['tea']");
  auto const others = [](int from, int to) {
    return "FROM users f, users o, generate_series(" + std::to_string(from) + ", " + std::to_string(to) +
           ") AS g WHERE f.handle = 'person 1' AND o.handle = 'person ' || g";
  };
  tables.execute("UPDATE users SET status = 'SUSPENDED' WHERE id IN (SELECT o.id " + others(2, 21) + ")");
  tables.execute("INSERT INTO omniscient_blocks (user_id, other_id) SELECT o.id, f.id " + others(22, 46));
  tables.execute("INSERT INTO omniscient_matches (domain, user_a_id, user_b_id) SELECT f.domain, f.id, o.id " +
                 others(47, 71));
  auto const found = tables.find().ordered;
  CHECK(std::count_if(found.begin(), found.end(), [&](auto const& pair) { return pair.a == found.front().a; }) == 20);
  CHECK(to_string(found.front().a) == tables.value("SELECT id FROM users WHERE handle = 'person 1'"));
}

TEST_CASE("another tenant's people are no candidates") {
  CandidateTables tables;
  tables.database.add_tenant("other.example");
  tables.add_person(1, "UTC", "tea", "cups");
  tables.add_person(2, "UTC", "cups", "tea", "other.example");
  CHECK(tables.find().people == 1);
  CHECK(tables.find().ordered.empty());
}

TEST_CASE("a live match is no candidate, and an ended one only when its pause is over or a story changed") {
  CandidateTables tables;
  tables.add_person(1, "UTC", "tea", "cups");
  tables.add_person(2, "UTC", "cups", "tea");
  for (auto const* status : {"pending_analysis", "analyzed", "scheduled", "active"}) {
    tables.add_match(1, 2, status);
    CHECK_MESSAGE(!tables.finds_first_two(), status);
    tables.execute("DELETE FROM omniscient_matches");
  }
  auto const match = tables.add_match(1, 2, "completed");
  CHECK_FALSE(tables.finds_first_two());
  CHECK(tables.find(std::chrono::milliseconds{0}).ordered.size() == 1);
  tables.execute("ALTER TABLE omniscient_matches DISABLE TRIGGER USER");
  auto const ended = [&](std::string const& change) {
    tables.execute("UPDATE omniscient_matches SET " + change + " WHERE id = '" + to_string(match) + "'");
  };
  ended("updated_at = now() - interval '91 days'");
  CHECK(tables.finds_first_two());
  ended("updated_at = now() - interval '1 day', status = 'cancelled', cancel_reason = 'attempts_used'");
  tables.execute("UPDATE personal_stories SET updated_at = now() - interval '2 days'");
  CHECK_FALSE(tables.finds_first_two());
  ended("cancel_reason = 'analysis_failed'");
  CHECK(tables.finds_first_two());
  ended("cancel_reason = 'attempts_used'");
  tables.execute("UPDATE personal_stories SET updated_at = now() WHERE user_id = '" + to_string(user(2)) + "'");
  CHECK(tables.finds_first_two());
}

TEST_CASE("a batch requests pairs of its tenant's share, and those of a smaller share are in a larger one") {
  CandidateTables tables;
  tables.add_people(60, "ARRAY['funding']", "ARRAY['funding']");
  auto const all = tables.find().ordered;
  std::vector<Pair> before;
  for (auto const percent : {0, 10, 50, 100}) {
    tables.set_share(percent);
    auto const found = tables.find();
    auto const share = static_cast<double>(found.ordered.size()) / static_cast<double>(all.size());
    CHECK(std::abs(share - percent / 100.0) < 0.05);
    CHECK(found.pairs == static_cast<std::int64_t>(all.size()));
    CHECK(std::includes(found.ordered.begin(), found.ordered.end(), before.begin(), before.end()));
    CHECK(std::includes(all.begin(), all.end(), found.ordered.begin(), found.ordered.end()));
    before = found.ordered;
  }
  CHECK(before == all);
  tables.set_share(0, false);
  CHECK(tables.find().ordered.empty());
}

TEST_CASE("a small share does not shorten a batch: the limit counts pairs that are in it") {
  CandidateTables tables;
  tables.add_people(60, "ARRAY['funding']", "ARRAY['funding']");
  tables.set_share(10);
  auto const share = tables.find().ordered;
  REQUIRE(share.size() > 20);
  CHECK(tables.find(ninety_days, 20).ordered == std::vector(share.begin(), share.begin() + 20));
}

TEST_CASE("listed pairs are requested whatever the share, and another tenant's flag changes nothing") {
  CandidateTables tables;
  tables.database.add_tenant("other.example");
  tables.add_person(1, "UTC", "tea", "cups");
  tables.add_person(2, "UTC", "cups", "tea");
  tables.set_share(0, true, "other.example");
  CHECK(tables.finds_first_two());
  tables.set_share(0);
  CHECK_FALSE(tables.finds_first_two());
  tables.execute("UPDATE feature_flags SET subjects = ARRAY['" + key_of({user(1), user(2)}) + "']");
  CHECK(tables.finds_first_two());
}

TEST_CASE("people with the same text are found in the same order in a copy of the database") {
  std::vector<Pair> first;
  for (int copy = 0; copy < 2; ++copy) {
    CandidateTables tables;
    tables.add_people(60, "ARRAY['funding']", "ARRAY['funding']", "'The same text.'");
    auto const found = tables.find().ordered;
    CHECK(found.size() >= 600);
    CHECK(std::is_sorted(found.begin(), found.end()));  // all scores are equal
    if (copy == 0) first = found;
    CHECK(found == first);
    CHECK(tables.find().ordered == first);
    CHECK(PostgresCandidates::explain(tables.connection, shop).find("Execution Time") != std::string::npos);
  }
}

TEST_CASE("one who offers what everybody seeks is found by all, and the batch gives them 20 matches") {
  CandidateTables tables;
  tables.add_people(1001, "CASE g WHEN 1 THEN '{}' ELSE ARRAY['welding'] END",
                    "CASE g WHEN 1 THEN ARRAY['welding'] ELSE '{}' END");
  auto const found = tables.find();
  CHECK(found.pairs == 1000);
  CHECK(spread_fairly(found.ordered, 20, 5000).size() == 20);
}

TEST_CASE("10,000 people are matched in time, however their words are distributed") {
  struct Distribution {
    std::string name, words, story;
  };
  for (auto const& each :
       {Distribution{"one word that everybody has", "ARRAY['funding']", "'A story of person ' || g"},
        Distribution{
            "many words, some common",
            "ARRAY(SELECT 'skill' || (power((hashint4(g * 31 + w) & 1023) / 1024.0, 2) * 2000)::int FROM "
            "generate_series(1, 4) AS w)",
            "(SELECT string_agg('word' || (hashint4(g * 97 + w) & 1023), ' ') FROM generate_series(1, 60) AS w)"},
        Distribution{"eight common words and long stories",
                     "'{funding,people,money,friends,startup,design,sales,law}'::text[]",
                     "(SELECT string_agg('word' || (hashint4(g * 97 + w) & 4095), ' ') FROM generate_series(1, 300) AS "
                     "w)"}}) {
    CandidateTables tables;
    tables.add_people(10'000, each.words, each.words, each.story);
    auto const begun = std::chrono::steady_clock::now();
    auto const found = tables.find(ninety_days, 1'000'000);
    std::chrono::duration<double> const took = std::chrono::steady_clock::now() - begun;
    MESSAGE(each.name << ": " << took.count() << " s for " << found.pairs << " pairs");
    CHECK(found.pairs > 10'000);
    CHECK(found.pairs <= 200'000);
    CHECK(CandidateTables::spread(found.ordered).second > 9'900);  // nearly everybody has a candidate
    CHECK(CandidateTables::spread(spread_fairly(found.ordered, 20, 1'000'000)).first <= 20);
    if (took > std::chrono::seconds{60})
      FAIL_CHECK(each.name << " took " << took.count() << " s\n"
                           << PostgresCandidates::explain(tables.connection, shop));
  }
}
