#include "workers/match/match_store.hpp"

#include "json/encode.hpp"
#include "postgres/rows.hpp"
#include "time/time.hpp"

#include <algorithm>
#include <iterator>
#include <set>

#include <boost/describe/class.hpp>
#include <pqxx/pqxx>

namespace omnibus::match {
namespace {

struct PairRow {
  std::optional<std::string> tenant_status;
  bool both_known = false;
  bool may_meet = false;
  std::int64_t ended = 0;
};
BOOST_DESCRIBE_STRUCT(PairRow, (), (tenant_status, both_known, may_meet, ended))

struct StoryRow {
  Uuid user_id;
  std::string narrative;
  std::optional<std::string> current_focus;
  std::vector<std::string> seeking_connections, offering_expertise;
};
BOOST_DESCRIBE_STRUCT(StoryRow, (), (user_id, narrative, current_focus, seeking_connections, offering_expertise))

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

struct MeetingRow {
  std::string status;
  bool may_meet = false;
};
BOOST_DESCRIBE_STRUCT(MeetingRow, (), (status, may_meet))

struct ScheduleRow {
  std::int64_t scheduled_ms = 0;
  bool zone_vanished = false;
};
BOOST_DESCRIBE_STRUCT(ScheduleRow, (), (scheduled_ms, zone_vanished))

/// @param lock such as `FOR UPDATE`
std::optional<OpenMatch> find_live(pqxx::transaction_base& transaction, Pair const& pair, std::string const& lock) {
  auto const row = postgres::read_optional<MatchRow>(transaction,
                                                     R"(
      SELECT id, status FROM omniscient_matches
      WHERE user_a_id = $1 AND user_b_id = $2 AND status NOT IN ('completed', 'cancelled') )" +
                                                         lock,
                                                     pqxx::params{to_string(pair.a), to_string(pair.b)});
  if (!row) return std::nullopt;
  return OpenMatch{row->id, row->status};
}

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

}  // namespace

Task<std::optional<std::string>> PostgresMatches::read_tenant(Context& context, std::string domain) {
  auto reading = context.read([domain = std::move(domain)](pqxx::connection& connection) {
    pqxx::nontransaction query{connection};
    return postgres::read_optional<std::string>(query, "SELECT status FROM tenants WHERE domain = $1",
                                                pqxx::params{domain});
  });
  co_return co_await std::move(reading);
}

PairState PostgresMatches::read_over(pqxx::connection& connection, std::string const& domain, Pair const& pair) {
  auto const a = to_string(pair.a);
  auto const b = to_string(pair.b);
  pqxx::transaction<pqxx::isolation_level::repeatable_read, pqxx::write_policy::read_only> query{connection};
  auto const row = postgres::read_one<PairRow>(query, R"(
      SELECT (SELECT status FROM tenants WHERE domain = $1) AS tenant_status,
             (SELECT count(*) = 2 FROM users WHERE id IN ($2, $3) AND domain = $1) AS both_known,
             omniscient_may_meet($2, $3) AS may_meet,
             (SELECT count(*) FROM omniscient_matches WHERE user_a_id = $2 AND user_b_id = $3
              AND status IN ('completed', 'cancelled')) AS ended)",
                                               pqxx::params{domain, a, b});
  PairState state{row.tenant_status, row.both_known, row.may_meet, row.ended, find_live(query, pair, ""), {}, {}};
  // Another tenant's story is not even read.
  auto const stories = postgres::read<StoryRow>(query, R"(
      SELECT s.user_id, s.narrative, s.current_focus, s.seeking_connections, s.offering_expertise
      FROM personal_stories s JOIN users u ON u.id = s.user_id WHERE s.user_id IN ($2, $3) AND u.domain = $1)",
                                                pqxx::params{domain, a, b});
  for (auto const& each : stories)
    (each.user_id == pair.a ? state.story_a : state.story_b) = {each.narrative, each.current_focus.value_or(""),
                                                                each.seeking_connections, each.offering_expertise};
  return state;
}

Task<PairState> PostgresMatches::read(Context& context, std::string domain, Pair pair) {
  auto reading = context.read(
      [domain = std::move(domain), pair](pqxx::connection& connection) { return read_over(connection, domain, pair); });
  co_return co_await std::move(reading);
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
  pqxx::params const both{to_string(pair.a), to_string(pair.b)};
  // Keeps both from being deleted until the end of this transaction.
  auto const people = transaction.exec("SELECT FROM users WHERE id IN ($1, $2) ORDER BY id FOR KEY SHARE", both);
  if (people.size() != 2) return std::nullopt;
  if (auto const live = find_live(transaction, pair, "FOR UPDATE")) return live;
  auto const ended = transaction.query_value<std::int64_t>(
      "SELECT count(*) FROM omniscient_matches WHERE user_a_id = $1 AND user_b_id = $2", both);
  auto const batch_text = batch ? std::optional{to_string(*batch)} : std::nullopt;
  transaction.exec(R"(
      INSERT INTO omniscient_matches (id, domain, user_a_id, user_b_id, batch_id) VALUES ($1, $2, $3, $4, $5)
      ON CONFLICT (user_a_id, user_b_id) WHERE status NOT IN ('completed', 'cancelled') DO NOTHING)",
                   pqxx::params{to_string(match_of(batch.value_or(event_key), pair, ended)), domain, to_string(pair.a),
                                to_string(pair.b), batch_text});
  return find_live(transaction, pair, "FOR UPDATE");
}

Stored PostgresMatches::store(UnitOfWork& unit, Uuid const& match, AnalysedMatch const& analysed) {
  auto& transaction = unit.transaction();
  auto const id = to_string(match);
  transaction.exec(R"(
      SELECT FROM users WHERE id IN (SELECT unnest(ARRAY[user_a_id, user_b_id]) FROM omniscient_matches WHERE id = $1)
      ORDER BY id FOR KEY SHARE)",
                   pqxx::params{id});
  auto const before = postgres::read_optional<MeetingRow>(transaction, R"(
      SELECT status, omniscient_may_meet(user_a_id, user_b_id) AS may_meet FROM omniscient_matches WHERE id = $1
      FOR UPDATE)",
                                                          pqxx::params{id});
  if (!before || (before->status != "pending_analysis" && before->status != "analyzed")) return Stored::moved_on;
  if (!before->may_meet) {
    transaction.exec("UPDATE omniscient_matches SET status = 'cancelled', cancel_reason = 'withdrawn' WHERE id = $1",
                     pqxx::params{id});
    return Stored::withdrawn;
  }
  transaction.exec(R"(
      DELETE FROM omniscient_insights
      WHERE id IN (SELECT insight_id FROM omniscient_match_insights WHERE match_id = $1))",
                   pqxx::params{id});
  transaction.exec(R"(
      WITH given AS (
        SELECT * FROM jsonb_to_recordset($2::jsonb)
          AS i (insight_id uuid, insight_type text, title text, description text, relevance_score numeric, score numeric)),
      stored AS (
        INSERT INTO omniscient_insights (id, insight_type, title, description, score, domain, user_a_id, user_b_id)
        SELECT insight_id, insight_type::omniscient_insight_type, title, description, score, m.domain, m.user_a_id,
               m.user_b_id
        FROM given, omniscient_matches m WHERE m.id = $1)
      INSERT INTO omniscient_match_insights (match_id, insight_id, relevance_score)
      SELECT $1, insight_id, relevance_score FROM given)",
                   pqxx::params{id, json::encode(analysed.insights)});
  transaction.exec(R"(
      UPDATE omniscient_matches
      SET status = 'analyzed', opportunity_score = $2, score_parts = $3, predicted_probabilities = $4,
          predicted_outcome = $5, analysis_summary = $6, match_reasoning = $7, analyzed_at = now()
      WHERE id = $1)",
                   pqxx::params{id, analysed.opportunity_score, analysed.score_parts, analysed.probabilities,
                                analysed.predicted_outcome, analysed.summary, analysed.reasoning});
  return Stored::stored;
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
