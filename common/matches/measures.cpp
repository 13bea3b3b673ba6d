#include "matches/measures.hpp"

#include "matches/json_column.hpp"
#include "postgres/rows.hpp"

namespace omnibus::matches {
namespace {

json::Raw read_measure(pqxx::transaction_base& transaction, std::string_view function,
                       std::optional<std::string> const& domain, TimeRange range) {
  return postgres::read_one<json::Raw>(
      transaction,
      "SELECT " + std::string{function} + "($1, to_timestamp($2::bigint / 1000.0), to_timestamp($3::bigint / 1000.0))",
      pqxx::params{domain, range.from_ms, range.to_ms});
}

}  // namespace

json::Raw read_analytics(pqxx::transaction_base& transaction, std::optional<std::string> const& domain,
                         TimeRange range) {
  return read_measure(transaction, "omniscient_match_analytics", domain, range);
}

json::Raw read_calibration(pqxx::transaction_base& transaction, std::optional<std::string> const& domain,
                           TimeRange range) {
  return read_measure(transaction, "omniscient_match_calibration", domain, range);
}

json::Raw read_system_health(pqxx::transaction_base& transaction, std::optional<std::string> const& domain) {
  return postgres::read_one<json::Raw>(
      transaction,
      "SELECT omniscient_system_health($1) || jsonb_build_object("
      " 'unknownTimeZones', (SELECT count(*) FROM users u WHERE ($1::text IS NULL OR u.domain = $1)"
      "  AND u.timezone NOT IN (SELECT name FROM pg_timezone_names)),"
      " 'alerts', (SELECT COALESCE(jsonb_agg(to_jsonb(a) ORDER BY a.name, a.domain), '[]')"
      "  FROM omniscient_alert_conditions a WHERE $1::text IS NULL OR a.domain IS NULL OR a.domain = $1))",
      pqxx::params{domain});
}

std::vector<AlertCondition> read_alert_conditions(pqxx::transaction_base& transaction,
                                                  std::optional<std::string> const& domain) {
  return postgres::read<AlertCondition>(transaction,
                                        "SELECT name, domain, subject, value, threshold, holds"
                                        " FROM omniscient_alert_conditions"
                                        " WHERE $1::text IS NULL OR domain IS NULL OR domain = $1"
                                        " ORDER BY name, domain",
                                        pqxx::params{domain});
}

std::optional<BatchSummary> read_batch_summary(pqxx::transaction_base& transaction, std::string const& domain,
                                               Uuid const& batch, Uuid const& event_key) {
  return postgres::read_optional<BatchSummary>(
      transaction,
      R"(SELECT (SELECT count(*) FROM users u JOIN personal_stories s ON s.user_id = u.id WHERE u.domain = $1
            AND u.status = 'APPROVED' AND u.deep_analysis_consent_at <= now()) AS "totalUsers",
           count(analyzed_at) AS "matchesAnalyzed",
           count(*) FILTER (WHERE opportunity_score >= $3::numeric) AS "highValueMatches",
           count(scheduled_for) AS "scheduled", count(*) AS "pairsRequested",
           (SELECT (metadata ->> 'left_out')::bigint FROM omniscient_processing_logs
            WHERE event_id = $4::uuid AND process_type = 'match') AS "pairsLeftOut"
         FROM omniscient_matches WHERE domain = $1 AND batch_id = $2::uuid
         HAVING count(*) FILTER (WHERE status = 'pending_analysis') = 0)",
      pqxx::params{domain, to_string(batch), high_value, to_string(event_key)});
}

}  // namespace omnibus::matches
