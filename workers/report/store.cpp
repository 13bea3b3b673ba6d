#include "workers/report/store.hpp"

#include "json/decode.hpp"
#include "postgres/rows.hpp"

#include <utility>

#include <fmt/format.h>
#include <pqxx/pqxx>

namespace omnibus::report {
namespace {

// pg_timezone_names is read once per statement. A name that vanished from it would make AT TIME ZONE fail for
// everybody.
constexpr auto due_query = R"(
  WITH zone AS MATERIALIZED (SELECT name FROM pg_timezone_names)
  SELECT u.domain, u.id AS user_id, local.date::text AS report_date
  FROM users u
  JOIN tenants t ON t.domain = u.domain AND t.status = 'active'
  LEFT JOIN zone z ON z.name = u.timezone
  CROSS JOIN LATERAL (SELECT COALESCE(z.name, 'UTC') AS zone) AS known
  CROSS JOIN LATERAL (SELECT to_timestamp($1::bigint / 1000.0) AT TIME ZONE known.zone AS time) AS now
  CROSS JOIN LATERAL (SELECT now.time::date AS date) AS local
  WHERE u.status = 'APPROVED' AND u.id BETWEEN $3::uuid AND $4::uuid
    AND now.time::time >= make_time($2::int, 0, 0)
    AND NOT EXISTS (SELECT FROM omniscient_reports r WHERE r.user_id = u.id AND r.report_date = local.date)
    AND EXISTS (
      SELECT FROM omniscient_matches m JOIN omniscient_outcomes o ON o.match_id = m.id
      WHERE u.id IN (m.user_a_id, m.user_b_id)
        AND o.created_at < (local.date + make_time($2::int, 0, 0)) AT TIME ZONE known.zone
        AND NOT EXISTS (SELECT FROM omniscient_report_outcomes h WHERE h.user_id = u.id AND h.outcome_id = o.id)))";

constexpr auto person_query = R"(
  SELECT u.domain, u.status = 'APPROVED' AND t.status = 'active' AS may_get_reports, day.date::text AS report_date,
    EXISTS (SELECT FROM omniscient_reports r WHERE r.user_id = u.id AND r.report_date = day.date) AS has_report,
    day.date > today.date AS is_future,
    jsonb_build_object('handle', u.handle, 'date', day.date, 'outcomes', COALESCE((
      SELECT jsonb_agg(jsonb_build_object('id', o.id, 'other', other.handle,
          'speaker', CASE u.id WHEN m.user_a_id THEN 'agent_a' ELSE 'agent_b' END, 'outcome', c.actual_outcome,
          'summary', COALESCE(c.conversation_summary, ''), 'steps', o.specific_next_steps,
          'follow_up', o.follow_up_recommended, 'timeframe', o.follow_up_timeframe)
        ORDER BY c.actual_outcome, o.created_at, o.id)
      FROM omniscient_matches m
      JOIN omniscient_outcomes o ON o.match_id = m.id
      JOIN omniscient_conversations c ON c.id = o.conversation_id
      JOIN users other ON other.id = CASE u.id WHEN m.user_a_id THEN m.user_b_id ELSE m.user_a_id END
      WHERE u.id IN (m.user_a_id, m.user_b_id) AND o.created_at < day.until
        AND NOT EXISTS (SELECT FROM omniscient_report_outcomes h WHERE h.user_id = u.id AND h.outcome_id = o.id)
    ), '[]'))::text AS content
  FROM users u
  JOIN tenants t ON t.domain = u.domain
  LEFT JOIN pg_timezone_names z ON z.name = u.timezone
  CROSS JOIN LATERAL (SELECT COALESCE(z.name, 'UTC') AS zone) AS known
  CROSS JOIN LATERAL (SELECT (to_timestamp($3::bigint / 1000.0) AT TIME ZONE known.zone)::date AS date) AS today
  CROSS JOIN LATERAL (
    SELECT date, CASE WHEN $5 THEN (date + 1)::timestamp ELSE date + make_time($4::int, 0, 0) END
      AT TIME ZONE known.zone AS until
    FROM (SELECT COALESCE($2::date, today.date) AS date) AS d
  ) AS day
  WHERE u.id = $1)";

struct ReportPersonRow {
  std::string domain;
  bool may_get_reports = false;
  std::string report_date;
  bool has_report = false;
  bool is_future = false;
  std::string content;
};
BOOST_DESCRIBE_STRUCT(ReportPersonRow, (), (domain, may_get_reports, report_date, has_report, is_future, content))

}  // namespace

std::vector<DuePerson> PostgresReports::find_due(UnitOfWork& unit, DueTime time, std::int32_t part) {
  // The parts of the id's first digit.
  auto const first = fmt::format("{:x}0000000-0000-0000-0000-000000000000", part);
  auto const last = fmt::format("{:x}fffffff-ffff-ffff-ffff-ffffffffffff", part);
  return postgres::read<DuePerson>(unit.transaction(), due_query,
                                   pqxx::params{time.now_ms, time.report_hour, first, last});
}

Task<std::int64_t> PostgresReports::count_unknown_zones(Context& context) {
  auto reading = context.read([](pqxx::connection& connection) {
    return pqxx::nontransaction{connection}.query_value<std::int64_t>(
        "SELECT count(*) FROM users WHERE timezone NOT IN (SELECT name FROM pg_timezone_names)");
  });
  co_return co_await std::move(reading);
}

std::optional<ReportPerson> PostgresReports::read_over(pqxx::connection& connection, ReportRequested const& request,
                                                       DueTime time) {
  pqxx::nontransaction query{connection};
  auto const row = postgres::read_optional<ReportPersonRow>(
      query, person_query,
      pqxx::params{to_string(request.user_id), request.report_date, time.now_ms, time.report_hour,
                   request.requested_by.has_value()});
  if (!row) return std::nullopt;
  auto content = json::decode<ReportContent>(row->content);
  if (!content)
    throw Failure::permanent("an outcome's row cannot be told: " + content.error().message(), "implausible");
  return ReportPerson{row->domain,     row->may_get_reports, row->report_date,
                      row->has_report, row->is_future,       *std::move(content)};
}

Task<std::optional<ReportPerson>> PostgresReports::read(Context& context, ReportRequested const& request,
                                                        DueTime time) {
  auto reading =
      context.read([request, time](pqxx::connection& connection) { return read_over(connection, request, time); });
  co_return co_await std::move(reading);
}

bool PostgresReports::add(UnitOfWork& unit, NewReport const& report) {
  auto& transaction = unit.transaction();
  auto const added = transaction.exec(
      "INSERT INTO omniscient_reports (id, domain, user_id, report_date, text, html) VALUES ($1, $2, $3, $4, $5, $6) "
      "ON CONFLICT DO NOTHING RETURNING id",
      pqxx::params{to_string(report.id), report.domain, to_string(report.user_id), report.date, report.text,
                   report.html});
  if (added.empty()) return false;
  std::vector<std::string> outcomes;
  outcomes.reserve(report.outcomes.size());
  for (auto const& outcome : report.outcomes) outcomes.push_back(to_string(outcome));
  transaction.exec(
      "INSERT INTO omniscient_report_outcomes (user_id, outcome_id, report_id) SELECT $1, o.id, $2 FROM "
      "omniscient_outcomes o WHERE o.id = ANY ($3::uuid[])",
      pqxx::params{to_string(report.user_id), to_string(report.id), outcomes});
  return true;
}

std::optional<ReportMail> PostgresReports::read_mail_over(pqxx::connection& connection, Uuid const& report) {
  pqxx::nontransaction query{connection};
  return postgres::read_optional<ReportMail>(
      query,
      "SELECT r.domain, r.user_id, u.handle, r.report_date::text AS report_date, r.text, r.html, "
      "CASE WHEN u.status = 'APPROVED' AND t.status = 'active' AND NOT EXISTS (SELECT FROM "
      "omniscient_report_unsubscriptions n WHERE n.user_id = u.id) AND NOT EXISTS (SELECT FROM suppressions s WHERE "
      "s.domain = r.domain AND s.channel = 'email' AND s.subject_key = replace(u.id::text, '-', '')) "
      "THEN u.email END AS email, r.send_state, "
      "(extract(epoch FROM r.claimed_at) * 1000)::bigint AS claimed_ms "
      "FROM omniscient_reports r JOIN users u ON u.id = r.user_id JOIN tenants t ON t.domain = r.domain "
      "WHERE r.id = $1",
      pqxx::params{to_string(report)});
}

Task<std::optional<ReportMail>> PostgresReports::read_mail(Context& context, Uuid const& report) {
  auto reading = context.read([report](pqxx::connection& connection) { return read_mail_over(connection, report); });
  co_return co_await std::move(reading);
}

bool PostgresReports::claim(UnitOfWork& unit, Uuid const& report, std::string const& message_id) {
  auto const claimed = unit.transaction().exec(
      "UPDATE omniscient_reports SET send_state = 'claimed', claimed_at = COALESCE(claimed_at, now()), message_id = $2 "
      "WHERE id = $1 AND send_state IS NULL RETURNING id",
      pqxx::params{to_string(report), message_id});
  return !claimed.empty();
}

void PostgresReports::settle(UnitOfWork& unit, Uuid const& report, std::optional<std::string> const& state,
                             std::string const& detail) {
  unit.transaction().exec(
      "UPDATE omniscient_reports SET send_state = $2, send_detail = NULLIF($3, ''), "
      "sent_at = CASE WHEN $2 = 'sent' THEN now() END WHERE id = $1 AND send_state = 'claimed'",
      pqxx::params{to_string(report), state, detail});
}

bool PostgresReports::rate(UnitOfWork& unit, ReportRated const& rated, std::int64_t time_ms) {
  auto const found = unit.transaction().exec(
      "WITH found AS (SELECT id FROM omniscient_reports WHERE id = $1 AND user_id = $2 AND domain = $3), rated AS ("
      "UPDATE omniscient_reports r SET rating = $4, rated_at = to_timestamp($5::bigint / 1000.0) FROM found "
      "WHERE r.id = found.id AND (r.rated_at IS NULL OR r.rated_at <= to_timestamp($5::bigint / 1000.0))) "
      "SELECT id FROM found",
      pqxx::params{to_string(rated.report_id), to_string(rated.user_id), rated.domain, rated.rating, time_ms});
  return !found.empty();
}

void PostgresReports::log_end(UnitOfWork& unit, Context& context, processing::LoggedWork const& work) {
  processing::complete(unit, context, work);
}

void PostgresReports::log_failure(UnitOfWork& unit, Context& context, processing::LoggedWork const& work,
                                  Failure const& failure) {
  processing::fail(unit, context, work, failure);
}

}  // namespace omnibus::report
