#include "workers/gdpr/requests/request_store.hpp"

#include "postgres/rows.hpp"
#include "workers/gdpr/requests/counts.hpp"

#include <utility>

#include <pqxx/pqxx>

namespace omnibus::gdpr {
namespace {

struct HeldRequest {
  Uuid request_id;
  std::string domain;
  std::string subject_key;
  std::vector<std::string> identities;
  std::optional<Uuid> requested_by;
  std::string reason;
};
BOOST_DESCRIBE_STRUCT(HeldRequest, (), (request_id, domain, subject_key, identities, requested_by, reason))

constexpr std::int64_t most_cleared = 100;

// One that runs waits for none: the others wait for it, also when it goes on after a crash.
constexpr char const* look_query =
    "SELECT r.status, (SELECT o.id::text FROM gdpr_requests o "
    "WHERE o.domain = r.domain AND o.id <> r.id AND o.identities && r.identities AND NOT o.dry_run AND NOT r.dry_run "
    "AND r.status <> 'running' AND CASE WHEN r.kind = 'export' THEN o.kind = 'delete' AND o.status = 'running' "
    "WHEN o.kind = 'export' THEN o.status IN ('received', 'running') "
    "ELSE o.status = 'running' OR (o.status = 'received' AND (o.created_at, o.id) < (r.created_at, r.id)) END "
    "ORDER BY o.created_at, o.id LIMIT 1) AS waits_for "
    "FROM gdpr_requests r WHERE r.id = $1";

}  // namespace

std::vector<std::string> named_keys(GdprRequest const& request) {
  auto keys = request.identities;
  keys.push_back(request.subject_key);
  return keys;
}

bool PostgresRequests::receive(UnitOfWork& unit, GdprRequest const& request, std::string_view kind) {
  std::optional<std::string> by;
  if (request.requested_by) by = to_string(*request.requested_by);
  unit.transaction().exec(
      "INSERT INTO gdpr_requests (id, domain, kind, subject_key, identities, reason, dry_run, requested_by) "
      "SELECT $1, $2, $3, $4, $5, $6, $7, (SELECT id FROM principals WHERE id = $8) FROM tenants WHERE domain = $2 "
      "AND NOT EXISTS (SELECT FROM unnest($5::text[]) AS k WHERE is_of_another_tenant($2, k::uuid, NULL)) "
      "ON CONFLICT DO NOTHING",
      pqxx::params{to_string(request.request_id), request.domain, kind, request.subject_key, named_keys(request),
                   request.reason, request.dry_run, by});
  return unit.transaction().query_value<bool>(
      "SELECT EXISTS (SELECT FROM gdpr_requests WHERE id = $1 AND domain = $2 AND kind = $3 AND subject_key = $4)",
      pqxx::params{to_string(request.request_id), request.domain, kind, request.subject_key});
}

RequestState PostgresRequests::look_over(pqxx::connection& connection, Uuid const& request) {
  pqxx::nontransaction query{connection};
  return postgres::read_one<RequestState>(query, look_query, pqxx::params{to_string(request)});
}

Task<RequestState> PostgresRequests::look(Context& context, GdprRequest const& request) {
  auto reading =
      context.read([id = request.request_id](pqxx::connection& connection) { return look_over(connection, id); });
  co_return co_await std::move(reading);
}

void PostgresRequests::begin(UnitOfWork& unit, Uuid const& request) {
  unit.transaction().exec(
      "UPDATE gdpr_requests SET status = 'running', held_until = NULL, error = NULL, updated_at = now() WHERE id = $1",
      pqxx::params{to_string(request)});
}

void PostgresRequests::hold(UnitOfWork& unit, Uuid const& request, std::string const& until,
                            std::set<std::string> const& keys) {
  unit.transaction().exec(
      "UPDATE gdpr_requests r SET status = 'held', held_until = $2, updated_at = now(), held_by = "
      "ARRAY(SELECT DISTINCT h.subject_key::text FROM legal_holds h WHERE h.domain = r.domain AND h.released_at IS "
      "NULL AND (h.until IS NULL OR h.until > now()) AND h.subject_key = ANY ($3::text[])) WHERE id = $1",
      pqxx::params{to_string(request), until, std::vector<std::string>{keys.begin(), keys.end()}});
}

void PostgresRequests::count(UnitOfWork& unit, Uuid const& request, std::vector<GdprCount> const& counts) {
  unit.transaction().exec(
      "UPDATE gdpr_requests r SET updated_at = now(), counts = r.counts || (SELECT jsonb_object_agg(n.key, "
      "COALESCE((r.counts ->> n.key)::bigint, 0) + n.value::bigint) FROM jsonb_each_text($2::jsonb) n) "
      "WHERE id = $1 AND $2::jsonb <> '{}'",
      pqxx::params{to_string(request), counts_json(counts)});
}

// The end of the year 9999 stands for topics that delete nothing.
void PostgresRequests::complete(UnitOfWork& unit, Uuid const& request, std::optional<std::int64_t> log_clear_ms) {
  unit.transaction().exec(
      "UPDATE gdpr_requests SET status = 'completed', error = NULL, completed_at = now(), updated_at = now(), "
      "log_clear_at = to_timestamp(CASE WHEN $2::bigint > 253402300799999 THEN 253402300799999 ELSE $2::bigint END / "
      "1000.0), log_cleared_at = NULL WHERE id = $1",
      pqxx::params{to_string(request), log_clear_ms});
}

void PostgresRequests::fail(UnitOfWork& unit, Uuid const& request, std::string_view error_class) {
  unit.transaction().exec("UPDATE gdpr_requests SET status = 'failed', error = $2, updated_at = now() WHERE id = $1",
                          pqxx::params{to_string(request), error_class});
}

Task<bool> PostgresRequests::awaits_clear_log(Context& context) {
  auto reading = context.read([](pqxx::connection& connection) {
    return pqxx::nontransaction{connection}.query_value<bool>(
        "SELECT EXISTS (SELECT FROM gdpr_requests q WHERE q.log_clear_at <= now() AND q.log_cleared_at IS NULL AND "
        "EXISTS (SELECT FROM pipeline.erasures e WHERE e.request_id = q.id AND e.positions IS NOT NULL))");
  });
  co_return co_await std::move(reading);
}

std::vector<ClearedRequest> PostgresRequests::confirm_clear(UnitOfWork& unit, std::string const& starts) {
  // All keys of a request have the same positions. It has none once a later erasure of the same person has its keys.
  return postgres::read<ClearedRequest>(
      unit.transaction(),
      "UPDATE gdpr_requests r SET log_cleared_at = now() WHERE r.id = ANY (ARRAY(SELECT due.id FROM (SELECT q.id, "
      "e.positions FROM gdpr_requests q CROSS JOIN LATERAL (SELECT n.positions FROM pipeline.erasures n WHERE "
      "n.request_id = q.id AND n.positions IS NOT NULL LIMIT 1) AS e WHERE q.status = 'completed' AND q.log_clear_at "
      "<= now() AND q.log_cleared_at IS NULL ORDER BY q.log_clear_at LIMIT $2) AS due WHERE NOT EXISTS (SELECT FROM "
      "jsonb_each($1::jsonb) AS topic, jsonb_each_text(topic.value) AS start WHERE start.value::bigint < "
      "(due.positions #>> ARRAY[topic.key, start.key])::bigint))) RETURNING r.id AS request_id, r.domain, "
      "r.subject_key",
      pqxx::params{starts, most_cleared});
}

std::vector<GdprDeletionRequested> PostgresRequests::release(UnitOfWork& unit) {
  auto const rows = postgres::read<HeldRequest>(
      unit.transaction(),
      "UPDATE gdpr_requests SET status = 'received', held_until = NULL, held_by = '{}', updated_at = now() "
      "WHERE status = 'held' AND hold_on(domain, identities || held_by) IS NULL RETURNING id AS request_id, domain, "
      "subject_key, "
      "array_remove(identities, subject_key::text) AS identities, requested_by, reason");
  std::vector<GdprDeletionRequested> requests;
  requests.reserve(rows.size());
  for (auto const& row : rows)
    requests.push_back(
        {{row.request_id, row.domain, row.subject_key, row.identities, row.requested_by, row.reason, false}});
  return requests;
}

}  // namespace omnibus::gdpr
