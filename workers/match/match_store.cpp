#include "workers/match/match_store.hpp"

#include "assistant/recorded_answer.hpp"
#include "json/decode.hpp"
#include "json/encode.hpp"
#include "postgres/column.hpp"
#include "postgres/prepared.hpp"
#include "postgres/rows.hpp"
#include "time/time.hpp"

#include <algorithm>
#include <iterator>
#include <set>

#include <boost/describe/class.hpp>
#include <pqxx/pqxx>

namespace omnibus::match {
namespace {

// Of many pairs: each row's subqueries read by a key, whatever the tables hold, so that one plan serves all. Another
// tenant's story is not even read.
constexpr postgres::Prepared read_pair_states{"read_pair_states", R"(
  SELECT (SELECT status FROM tenants WHERE domain = a.domain) AS tenant_status,
         one.id IS NOT NULL AND two.id IS NOT NULL AS both_known,
         omniscient_may_meet(a.user_a_id, a.user_b_id) AS may_meet,
         (SELECT count(*) FROM omniscient_matches WHERE user_a_id = a.user_a_id AND user_b_id = a.user_b_id
          AND status IN ('completed', 'cancelled')) AS ended,
         m.id AS live_id, m.status AS live_status,
         s.narrative AS narrative_a, s.current_focus AS focus_a, s.seeking_connections AS seeks_a,
         s.offering_expertise AS offers_a,
         t.narrative AS narrative_b, t.current_focus AS focus_b, t.seeking_connections AS seeks_b,
         t.offering_expertise AS offers_b,
         (SELECT response::text FROM pipeline.llm_responses WHERE request_key = a.request_key) AS answer
  FROM unnest($1::text[], $2::uuid[], $3::uuid[], $4::uuid[]) WITH ORDINALITY
    AS a (domain, user_a_id, user_b_id, request_key, ordinal)
  LEFT JOIN LATERAL (SELECT id FROM users WHERE id = a.user_a_id AND domain = a.domain LIMIT 1) AS one ON true
  LEFT JOIN LATERAL (SELECT id FROM users WHERE id = a.user_b_id AND domain = a.domain LIMIT 1) AS two ON true
  LEFT JOIN LATERAL (
    SELECT id, status FROM omniscient_matches WHERE user_a_id = a.user_a_id AND user_b_id = a.user_b_id
    AND status NOT IN ('completed', 'cancelled') LIMIT 1) AS m ON true
  LEFT JOIN LATERAL (SELECT * FROM personal_stories WHERE user_id = one.id LIMIT 1) AS s ON true
  LEFT JOIN LATERAL (SELECT * FROM personal_stories WHERE user_id = two.id LIMIT 1) AS t ON true
  ORDER BY a.ordinal)"};

/// Its row. Without a person's story its columns are NULL.
struct PairRow {
  std::optional<std::string> tenant_status;
  bool both_known = false;
  bool may_meet = false;
  std::int64_t ended = 0;
  std::optional<Uuid> live_id;
  std::optional<std::string> live_status;
  std::optional<std::string> narrative_a, focus_a, narrative_b, focus_b;
  std::optional<std::vector<std::string>> seeks_a, offers_a, seeks_b, offers_b;
  std::optional<std::string> answer;
};
BOOST_DESCRIBE_STRUCT(PairRow, (),
                      (tenant_status, both_known, may_meet, ended, live_id, live_status, narrative_a, focus_a,
                       narrative_b, focus_b, seeks_a, offers_a, seeks_b, offers_b, answer))

/// A pair that is to be read.
struct PairKey {
  std::string domain;
  Pair pair;
  Uuid request_key{};
};

std::vector<PairRow> read_pairs(pqxx::connection& connection, std::vector<PairKey> const& pairs) {
  using postgres::column;
  pqxx::nontransaction query{connection};
  return postgres::read<PairRow>(
      postgres::run_prepared(query, read_pair_states,
                             {column(pairs, [](PairKey const& each) { return each.domain; }),
                              column(pairs, [](PairKey const& each) { return to_string(each.pair.a); }),
                              column(pairs, [](PairKey const& each) { return to_string(each.pair.b); }),
                              column(pairs, [](PairKey const& each) { return to_string(each.request_key); })}));
}

PersonalStory story_of(std::optional<std::string>& narrative, std::optional<std::string>& focus,
                       std::optional<std::vector<std::string>>& seeks,
                       std::optional<std::vector<std::string>>& offers) {
  return {std::move(narrative).value_or(""), std::move(focus).value_or(""),
          std::move(seeks).value_or(std::vector<std::string>{}),
          std::move(offers).value_or(std::vector<std::string>{})};
}

PairState state_of(PairRow row) {
  PairState state{row.tenant_status, row.both_known, row.may_meet, row.ended};
  if (row.live_id) state.live = OpenMatch{*row.live_id, std::move(row.live_status).value_or("")};
  state.story_a = story_of(row.narrative_a, row.focus_a, row.seeks_a, row.offers_a);
  state.story_b = story_of(row.narrative_b, row.focus_b, row.seeks_b, row.offers_b);
  state.answer.emplace();
  if (!row.answer) return state;
  if (auto recorded = json::decode<assistant::RecordedAnswer>(*row.answer))
    state.answer->recorded = *std::move(recorded);
  return state;
}

PairKey key_of(std::string domain, Pair const& pair, Uuid const& event_key) {
  return {std::move(domain), pair, assistant::request_key(event_key, analysis_step)};
}

/// A pair without a live match.
struct FreePair : Pair {
  std::int64_t earlier = 0;  ///< their matches that have ended
};
BOOST_DESCRIBE_STRUCT(FreePair, (), (a, b, earlier))

struct MatchRow {
  Uuid id;
  std::string status;
};
BOOST_DESCRIBE_STRUCT(MatchRow, (), (id, status))

struct ScheduleRow {
  std::int64_t scheduled_ms = 0;
  bool zone_vanished = false;
};
BOOST_DESCRIBE_STRUCT(ScheduleRow, (), (scheduled_ms, zone_vanished))

/// The same in each attempt and in a replay, and another one for a pair whose earlier matches have ended.
Uuid match_of(Uuid const& origin, Pair const& pair, std::int64_t earlier) {
  return name_uuid(origin, {key_of(pair), " ", std::to_string(earlier)});
}

std::vector<std::string> sides_of(std::vector<Pair> const& pairs, Uuid Pair::*side) {
  std::vector<std::string> texts;
  texts.reserve(pairs.size());
  for (auto const& pair : pairs) texts.push_back(to_string(pair.*side));
  return texts;
}

/// A match to be opened.
struct NewMatch {
  Uuid id{};
  std::string domain;
  Pair pair;
  std::optional<Uuid> batch{};
  std::int64_t ended = 0;  ///< the pair's matches before it
};

/// The pair's live match.
struct LiveRow {
  std::optional<Uuid> id;
  std::optional<std::string> status;
};
BOOST_DESCRIBE_STRUCT(LiveRow, (), (id, status))

std::vector<std::optional<OpenMatch>> open_all(pqxx::transaction_base& transaction,
                                               std::vector<NewMatch> const& matches) {
  using postgres::column;
  auto rows = postgres::read<LiveRow>(
      transaction,
      "SELECT id, status FROM open_matches($1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::uuid[], $6::bigint[])"
      " ORDER BY ordinal",
      pqxx::params{column(matches, [](NewMatch const& each) { return to_string(each.id); }),
                   column(matches, [](NewMatch const& each) { return each.domain; }),
                   column(matches, [](NewMatch const& each) { return to_string(each.pair.a); }),
                   column(matches, [](NewMatch const& each) { return to_string(each.pair.b); }),
                   column(matches,
                          [](NewMatch const& each) {
                            return each.batch ? std::optional{to_string(*each.batch)} : std::nullopt;
                          }),
                   column(matches, [](NewMatch const& each) { return each.ended; })});
  std::vector<std::optional<OpenMatch>> live(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i)
    if (rows[i].id) live[i] = OpenMatch{*rows[i].id, std::move(rows[i].status).value_or("")};
  return live;
}

std::vector<std::optional<OpenMatch>> open_matches(pqxx::connection& connection, std::vector<NewMatch> const& matches) {
  pqxx::nontransaction statement{connection};
  return open_all(statement, matches);
}

/// An analysis of a match.
struct AnalysisOf {
  Uuid match{};
  AnalysedMatch analysed;
  bool schedule = false;
};

/// What became of it.
struct StoredAnalysisRow {
  Stored stored = Stored::moved_on;
  std::optional<std::int64_t> scheduled_ms;
  bool zone_vanished = false;
};
BOOST_DESCRIBE_STRUCT(StoredAnalysisRow, (), (stored, scheduled_ms, zone_vanished))

std::vector<StoredAnalysis> store_analyses(pqxx::transaction_base& transaction, std::vector<AnalysisOf> const& all) {
  auto const of_each = [&](auto member) {
    return postgres::column(all, [&](AnalysisOf const& each) { return each.analysed.*member; });
  };
  auto const rows = postgres::read<StoredAnalysisRow>(
      transaction,
      "SELECT stored, scheduled_ms, zone_vanished FROM store_analyses($1::uuid[], $2::numeric[], $3::text[],"
      " $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::boolean[]) ORDER BY ordinal",
      pqxx::params{postgres::column(all, [](AnalysisOf const& each) { return to_string(each.match); }),
                   of_each(&AnalysedMatch::opportunity_score), of_each(&AnalysedMatch::score_parts),
                   of_each(&AnalysedMatch::probabilities), of_each(&AnalysedMatch::predicted_outcome),
                   of_each(&AnalysedMatch::summary), of_each(&AnalysedMatch::reasoning),
                   postgres::column(all, [](AnalysisOf const& each) { return json::encode(each.analysed.insights); }),
                   postgres::column(all, [](AnalysisOf const& each) { return each.schedule; })});
  std::vector<StoredAnalysis> stored;
  stored.reserve(rows.size());
  for (auto const& row : rows) {
    auto& each = stored.emplace_back(StoredAnalysis{row.stored});
    if (row.scheduled_ms) each.schedule = Schedule{format_time_ms(*row.scheduled_ms), row.zone_vanished};
  }
  return stored;
}

}  // namespace

Task<std::optional<std::string>> PostgresMatches::read_tenant(Context& context, std::string domain) {
  auto reading = context.read([domain = std::move(domain)](pqxx::connection& connection) {
    pqxx::nontransaction query{connection};
    return postgres::read_optional<std::string>(query, "SELECT status FROM tenants WHERE domain = $1",
                                                pqxx::params{domain});
  });
  co_return co_await std::move(reading);
}

PairState PostgresMatches::read_over(pqxx::connection& connection, std::string const& domain, Pair const& pair,
                                     Uuid const& event_key) {
  return state_of(std::move(read_pairs(connection, {key_of(domain, pair, event_key)}).at(0)));
}

Task<PairState> PostgresMatches::read(Context& context, std::string domain, Pair pair) {
  auto reading = context.read_together<read_pairs>(key_of(std::move(domain), pair, context.event_key()));
  auto row = co_await std::move(reading);
  co_return state_of(std::move(row));
}

std::vector<Pair> PostgresMatches::add(UnitOfWork& unit, std::string_view domain, Uuid const& batch,
                                       std::vector<Pair> const& pairs) {
  auto& transaction = unit.transaction();
  // In one order everywhere, so that batches that overlap wait for each other instead of blocking each other.
  auto sorted = pairs;
  std::sort(sorted.begin(), sorted.end());
  auto const as = sides_of(sorted, &Pair::a), bs = sides_of(sorted, &Pair::b);
  transaction.exec("SELECT FROM users WHERE id = ANY ($1::uuid[] || $2::uuid[]) ORDER BY id FOR KEY SHARE",
                   pqxx::params{as, bs});
  auto const found = postgres::read<FreePair>(transaction, R"(
      SELECT a, b, (SELECT count(*) FROM omniscient_matches WHERE user_a_id = a AND user_b_id = b) AS earlier
      FROM unnest($1::uuid[], $2::uuid[]) AS pair (a, b)
      JOIN users one ON one.id = a AND one.domain = $3 JOIN users two ON two.id = b AND two.domain = $3)",
                                              pqxx::params{as, bs, domain});
  std::vector<Pair> known;
  std::vector<std::string> ids;
  for (auto const& each : found) {
    known.push_back(each);
    ids.push_back(to_string(match_of(batch, each, each.earlier)));
  }
  auto const rows = postgres::read<FreePair>(
      transaction, R"(
      INSERT INTO omniscient_matches (id, domain, user_a_id, user_b_id, batch_id)
      SELECT id, $4, a, b, $5 FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS new (id, a, b) ORDER BY a, b
      ON CONFLICT (user_a_id, user_b_id) WHERE status NOT IN ('completed', 'cancelled') DO NOTHING
      RETURNING user_a_id AS a, user_b_id AS b, 0 AS earlier)",
      pqxx::params{ids, sides_of(known, &Pair::a), sides_of(known, &Pair::b), domain, to_string(batch)});
  std::set<Pair> const added(rows.begin(), rows.end());
  std::vector<Pair> ordered;
  std::copy_if(pairs.begin(), pairs.end(), std::back_inserter(ordered),
               [&](Pair const& pair) { return added.contains(pair); });
  return ordered;
}

std::optional<OpenMatch> PostgresMatches::open(UnitOfWork& unit, Uuid const& event_key,
                                               std::optional<Uuid> const& batch, std::string_view domain,
                                               Pair const& pair) {
  auto& transaction = unit.transaction();
  auto const earlier = transaction.query_value<std::int64_t>(
      "SELECT count(*) FROM omniscient_matches WHERE user_a_id = $1 AND user_b_id = $2",
      pqxx::params{to_string(pair.a), to_string(pair.b)});
  return open_all(transaction,
                  {{match_of(batch.value_or(event_key), pair, earlier), std::string{domain}, pair, batch, earlier}})
      .at(0);
}

Task<std::optional<OpenMatch>> PostgresMatches::open_now(Context& context, std::optional<Uuid> const& batch,
                                                         std::string domain, Pair pair, std::int64_t ended) {
  auto const id = match_of(batch.value_or(context.event_key()), pair, ended);
  auto opening = context.note_together<open_matches>(NewMatch{id, std::move(domain), pair, batch, ended});
  co_return co_await std::move(opening);
}

void PostgresMatches::store(UnitOfWork& unit, Uuid const& match, AnalysedMatch analysed, bool schedule,
                            std::function<void(StoredAnalysis)> then) {
  unit.write_together<store_analyses>(AnalysisOf{match, std::move(analysed), schedule}, std::move(then));
}

Schedule PostgresMatches::schedule(UnitOfWork& unit, Uuid const& match) {
  auto const row = postgres::read_one<ScheduleRow>(unit.transaction(), R"(
      UPDATE omniscient_matches m
      SET status = 'scheduled', scheduled_for = omniscient_next_midnight(a.timezone, b.timezone, now())
      FROM users a, users b WHERE m.id = $1 AND a.id = m.user_a_id AND b.id = m.user_b_id
      RETURNING (extract(epoch FROM m.scheduled_for) * 1000)::bigint AS scheduled_ms,
                omniscient_zone(a.timezone) <> a.timezone OR omniscient_zone(b.timezone) <> b.timezone AS zone_vanished)",
                                                   pqxx::params{to_string(match)});
  return {format_time_ms(row.scheduled_ms), row.zone_vanished};
}

std::optional<OpenMatch> PostgresMatches::give_up(UnitOfWork& unit, std::string_view domain, Pair const& pair,
                                                  std::string_view reason) {
  auto& transaction = unit.transaction();
  auto const live = postgres::read_optional<MatchRow>(transaction, R"(
      SELECT id, status FROM omniscient_matches
      WHERE user_a_id = $1 AND user_b_id = $2 AND domain = $3 AND status NOT IN ('completed', 'cancelled') FOR UPDATE)",
                                                      pqxx::params{to_string(pair.a), to_string(pair.b), domain});
  if (!live) return std::nullopt;
  if (live->status != "pending_analysis") return OpenMatch{live->id, live->status};
  transaction.exec("UPDATE omniscient_matches SET status = 'cancelled', cancel_reason = $2 WHERE id = $1",
                   pqxx::params{to_string(live->id), reason});
  return OpenMatch{live->id, "cancelled"};
}

Task<> PostgresMatches::log_start(Context& context, processing::LoggedWork work) {
  auto starting = processing::start(context, std::move(work));
  co_await std::move(starting);
}

void PostgresMatches::log_end(UnitOfWork& unit, Context& context, processing::LoggedWork const& work,
                              processing::LoggedCost const& spent, std::string const& notes) {
  processing::complete(unit, context, work, spent, notes);
}

void PostgresMatches::log_failure(UnitOfWork& unit, Context& context, processing::LoggedWork const& work,
                                  Failure const& failure) {
  processing::fail(unit, context, work, failure);
}

}  // namespace omnibus::match
