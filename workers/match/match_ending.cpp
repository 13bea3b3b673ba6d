/// From the schedule to the end of a match, and its insights in between.
#include "handler/failure.hpp"
#include "json/encode.hpp"
#include "postgres/rows.hpp"
#include "workers/match/match_store.hpp"

#include <set>

#include <boost/describe/class.hpp>
#include <pqxx/pqxx>

namespace omnibus::match {
namespace {

struct DueRow {
  Uuid id;
  std::string domain;
  std::string status;
  std::int32_t attempts = 0;
};
BOOST_DESCRIBE_STRUCT(DueRow, (), (id, domain, status, attempts))

struct AttemptRow {
  std::string status;
  std::int32_t attempts = 0;
};
BOOST_DESCRIBE_STRUCT(AttemptRow, (), (status, attempts))

struct InsightRow {
  Uuid insight_id;
  std::string insight_type, title, description;
  double relevance_score = 0;
  std::optional<double> score;
};
BOOST_DESCRIBE_STRUCT(InsightRow, (), (insight_id, insight_type, title, description, relevance_score, score))

std::optional<std::string> text_of(std::optional<Uuid> const& id) {
  return id ? std::optional{to_string(*id)} : std::nullopt;
}

/// The match's row, locked, if this is its present conversation.
std::optional<AttemptRow> find_attempt(pqxx::transaction_base& transaction, Uuid const& match,
                                       Uuid const& conversation) {
  auto row = postgres::read_optional<AttemptRow>(
      transaction, "SELECT status, attempts FROM omniscient_matches WHERE id = $1 FOR UPDATE",
      pqxx::params{to_string(match)});
  if (!row || conversation_of(match, row->attempts) != conversation) return std::nullopt;
  return row;
}

std::vector<MatchInsight> read_insights(pqxx::transaction_base& transaction, Uuid const& match) {
  auto const rows = postgres::read<InsightRow>(transaction, R"(
      SELECT i.id AS insight_id, i.insight_type, i.title, i.description, j.relevance_score, i.score
      FROM omniscient_match_insights j JOIN omniscient_insights i ON i.id = j.insight_id
      WHERE j.match_id = $1 ORDER BY j.relevance_score DESC, i.id)",
                                               pqxx::params{to_string(match)});
  std::vector<MatchInsight> insights;
  insights.reserve(rows.size());
  for (auto const& row : rows)
    insights.push_back({row.insight_id, row.insight_type, row.title, row.description, row.relevance_score, row.score});
  return insights;
}

/// The insights from now on, each with an id: those that are new get one.
std::vector<MatchInsight> with_ids(std::vector<MatchInsight> insights, std::vector<MatchInsight> const& before,
                                   Uuid const& event_key) {
  std::set<Uuid> known;
  for (auto const& each : before) known.insert(*each.insight_id);
  for (std::size_t i = 0; i < insights.size(); ++i) {
    auto& id = insights[i].insight_id;
    if (id && known.erase(*id) == 0)
      throw Failure::permanent("insights.insight_id is no insight of the match, or is given twice", "invalid_event");
    if (!id) id = name_uuid(event_key, "insight-" + std::to_string(i));
  }
  return insights;
}

}  // namespace

Uuid conversation_of(Uuid const& match, std::int32_t attempts) {
  return name_uuid(match, "conversation-" + std::to_string(attempts));
}

std::vector<DueMatch> PostgresMatches::activate(UnitOfWork& unit, ActivationScope const& scope, std::int32_t limit) {
  // Whoever activates first changes the status; consent, status and blocks are read by the statement that does it. The
  // matches of a tenant that is not active wait.
  std::string const which = scope.match
                                ? "m.id = $3 AND m.status IN ('analyzed', 'scheduled')"
                                : "m.status = 'scheduled' AND m.scheduled_for <= coalesce($3::timestamptz, now())";
  auto const chosen = scope.match ? text_of(scope.match) : scope.at;
  auto const rows = postgres::read<DueRow>(unit.transaction(), R"(
      WITH due AS (
        SELECT m.id FROM omniscient_matches m JOIN tenants t ON t.domain = m.domain AND t.status = 'active'
        WHERE )" + which + R"(
          AND ($1::text IS NULL OR m.domain = $1) AND ($2::uuid IS NULL OR $2 IN (m.user_a_id, m.user_b_id))
        ORDER BY m.scheduled_for, m.id LIMIT $4 FOR UPDATE OF m)
      UPDATE omniscient_matches m
      SET status = CASE WHEN omniscient_may_meet(m.user_a_id, m.user_b_id) THEN 'active' ELSE 'cancelled'
                   END::omniscient_match_status,
          cancel_reason = CASE WHEN omniscient_may_meet(m.user_a_id, m.user_b_id) THEN NULL ELSE 'withdrawn' END
      FROM due WHERE m.id = due.id RETURNING m.id, m.domain, m.status, m.attempts)",
                                           pqxx::params{scope.domain, text_of(scope.user), chosen, limit});
  std::vector<DueMatch> due;
  due.reserve(rows.size());
  for (auto const& row : rows) due.push_back({row.id, row.domain, row.status == "active", row.attempts});
  return due;
}

void PostgresMatches::check(UnitOfWork& unit, ActivationScope const& scope) {
  auto& transaction = unit.transaction();
  if (scope.user &&
      transaction
          .exec("SELECT FROM users WHERE id = $1 AND domain = $2", pqxx::params{text_of(scope.user), scope.domain})
          .empty())
    throw Failure::permanent("user_id is no person of this tenant", "unknown_user");
  if (!scope.match) return;
  auto const status = postgres::read_optional<std::string>(
      transaction, "SELECT status FROM omniscient_matches WHERE id = $1 AND domain = $2 FOR UPDATE",
      pqxx::params{text_of(scope.match), scope.domain});
  if (!status) throw Failure::permanent("match_id is no match of this tenant", "unknown_match");
  if (*status != "analyzed" && *status != "scheduled")
    throw Failure::permanent("a match that is " + *status + " cannot be activated", "illegal_transition");
}

bool PostgresMatches::complete(UnitOfWork& unit, Uuid const& match, Uuid const& conversation, bool again) {
  auto& transaction = unit.transaction();
  auto const attempt = find_attempt(transaction, match, conversation);
  if (!attempt) return false;
  pqxx::params const id{to_string(match)};
  if (again && attempt->status == "analyzed") {
    transaction.exec("UPDATE omniscient_matches SET status = 'active' WHERE id = $1", id);
  } else if (attempt->status != "active") {
    return false;
  }
  transaction.exec("UPDATE omniscient_matches SET status = 'completed' WHERE id = $1", id);
  return true;
}

AfterConversation PostgresMatches::fail(UnitOfWork& unit, Uuid const& match, Uuid const& conversation,
                                        std::string_view stop_reason, std::int32_t most_attempts) {
  auto& transaction = unit.transaction();
  auto const attempt = find_attempt(transaction, match, conversation);
  if (!attempt || attempt->status != "active") return {};
  auto const forbidden = stop_reason == "withdrawn" || stop_reason == "erased";
  if (forbidden || attempt->attempts + 1 >= most_attempts) {
    auto const reason = forbidden ? std::string{stop_reason} : "attempts_used";
    transaction.exec(
        "UPDATE omniscient_matches SET status = 'cancelled', attempts = attempts + 1, cancel_reason = $2 WHERE id = $1",
        pqxx::params{to_string(match), reason});
    return {{}, reason};
  }
  transaction.exec("UPDATE omniscient_matches SET status = 'analyzed', attempts = attempts + 1 WHERE id = $1",
                   pqxx::params{to_string(match)});
  return {schedule(unit, match), {}};
}

std::optional<Override> PostgresMatches::override_insights(UnitOfWork& unit, Uuid const& event_key,
                                                           MatchInsightsOverrideRequested const& request) {
  auto& transaction = unit.transaction();
  auto const match = to_string(request.match_id);
  auto const found = transaction.exec(
      "SELECT status IN ('completed', 'cancelled') FROM omniscient_matches WHERE id = $1 AND domain = $2 FOR UPDATE",
      pqxx::params{match, request.domain});
  if (found.empty()) throw Failure::permanent("match_id is no match of this tenant", "unknown_match");
  auto const done =
      transaction.exec("SELECT FROM omniscient_insight_overrides WHERE id = $1", pqxx::params{to_string(event_key)});
  if (!done.empty()) return std::nullopt;
  if (found[0][0].as<bool>()) throw Failure::permanent("the match has ended", "illegal_transition");
  Override changed;
  changed.before = read_insights(transaction, request.match_id);
  auto const given = json::encode(with_ids(request.insights, changed.before, event_key));
  transaction.exec(R"(
      DELETE FROM omniscient_insights
      WHERE id IN (SELECT insight_id FROM omniscient_match_insights WHERE match_id = $1)
        AND id NOT IN (SELECT (i ->> 'insight_id')::uuid FROM jsonb_array_elements($2::jsonb) AS i))",
                   pqxx::params{match, given});
  transaction.exec(R"(
      WITH given AS (
        SELECT * FROM jsonb_to_recordset($2::jsonb)
          AS i (insight_id uuid, insight_type text, title text, description text, relevance_score numeric, score numeric)),
      stored AS (
        INSERT INTO omniscient_insights AS i (id, insight_type, title, description, score, domain, user_a_id, user_b_id)
        SELECT insight_id, insight_type::omniscient_insight_type, title, description, score, m.domain, m.user_a_id,
               m.user_b_id
        FROM given, omniscient_matches m WHERE m.id = $1
        ON CONFLICT (id) DO UPDATE SET insight_type = excluded.insight_type, title = excluded.title,
          description = excluded.description, score = excluded.score)
      INSERT INTO omniscient_match_insights (match_id, insight_id, relevance_score)
      SELECT $1, insight_id, relevance_score FROM given
      ON CONFLICT (match_id, insight_id) DO UPDATE SET relevance_score = excluded.relevance_score)",
                   pqxx::params{match, given});
  changed.after = read_insights(transaction, request.match_id);
  transaction.exec(
      "INSERT INTO omniscient_insight_overrides (id, match_id, actor, before, after) VALUES ($1, $2, $3, $4, $5)",
      pqxx::params{to_string(event_key), match, text_of(request.requested_by), json::encode(changed.before),
                   json::encode(changed.after)});
  return changed;
}

}  // namespace omnibus::match
