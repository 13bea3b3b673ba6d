#include "retention/prune_task.hpp"

#include "retention/kept_tables.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace omnibus::retention {
namespace {

constexpr std::string_view two_years = "pipeline.two_years_before(now())";

/// Whether a legal hold keeps the row. Asks for each row only where the tenant has a hold at all.
std::string held(std::string_view domain, std::string_view keys) {
  return fmt::format(
      "({0} = ANY (ARRAY(SELECT h.domain FROM legal_holds h WHERE h.released_at IS NULL))"
      " AND hold_on({0}, {1}) IS NOT NULL)",
      domain, keys);
}

std::string alias(std::string_view id) {
  return fmt::format("replace({}::text, '-', '')", id);
}

constexpr std::string_view tenants_cutoffs = R"(
  cutoffs AS (
    SELECT t.domain, $1::timestamptz - make_interval(hours => 24 * p.retention_days) AS cutoff
    FROM tenants t CROSS JOIN LATERAL privacy_preferences(t.domain) AS p WHERE p.retention_days > 0
  ))";

/// Rows that a batch deleted, in the form of PruneStep::batch, for a step that needs no position.
constexpr std::string_view deleted_rows = R"(
  SELECT g.domain, COALESCE(g.rows, 0) AS rows, 0 AS held, '' AS position, s.rows = $2 AS more
  FROM (SELECT count(*) AS rows FROM gone) AS s
  LEFT JOIN (SELECT domain, count(*) AS rows FROM gone GROUP BY domain) AS g ON true
  WHERE $3::text IS NOT NULL)";

/// Rows of a tenant's table. `due` selects `at` (a ctid), `domain` and whether it is `held`, from what is older than
/// the tenant's cut-off in `cutoffs c`.
PruneStep by_tenant(std::string table, std::string_view due) {
  auto batch = fmt::format(R"(
  WITH {}, due AS MATERIALIZED (SELECT * FROM ({}) AS old WHERE NOT held LIMIT $2),
  gone AS (DELETE FROM {} WHERE ctid = ANY (ARRAY(SELECT at FROM due)) RETURNING domain){})",
                           tenants_cutoffs, due, table, deleted_rows);
  auto kept = fmt::format("WITH {}, due AS ({}) SELECT domain, count(*) AS held FROM due WHERE held GROUP BY domain",
                          tenants_cutoffs, due);
  return {std::move(table), std::move(batch), std::move(kept)};
}

/// Rows of a table that holds do not concern; `domain` and `which` are expressions.
PruneStep by_age(std::string table, std::string_view time, std::string_view domain, std::string_view which = "true") {
  auto batch = fmt::format(R"(
  WITH gone AS (DELETE FROM {0} WHERE ctid = ANY (ARRAY(SELECT o.ctid FROM {0} o WHERE o.{1} < $1::timestamptz
                                                          AND {4} ORDER BY o.{1} LIMIT $2))
                  AND {1} < $1::timestamptz AND {4} RETURNING {2} AS domain){3})",
                           table, time, domain, deleted_rows, which);
  return {std::move(table), std::move(batch)};
}

std::string counted(std::string_view table, std::string_view time) {
  return fmt::format("SELECT count(*) FILTER (WHERE {1} < $1::timestamptz) AS due, count(*) AS total FROM {0}", table,
                     time);
}

/// Goes through the conversations older than the cut-off, tenant by tenant and oldest first, 100 at a time.
std::string conversation_window() {
  return fmt::format(R"(
  WITH {}, place AS (
    SELECT COALESCE(split_part($3, ' ', 1), '') AS domain,
           COALESCE(NULLIF(split_part($3, ' ', 2), '')::bigint, -1) AS us,
           COALESCE(NULLIF(split_part($3, ' ', 3), '')::uuid, '00000000-0000-0000-0000-000000000000') AS id
  ), looked_at AS MATERIALIZED (
    SELECT v.*, c.cutoff, {} AS held
    FROM place p CROSS JOIN cutoffs c CROSS JOIN LATERAL (
      SELECT o.domain, o.id, o.subject_key, o.created_at, o.last_message_at FROM conversations o
      WHERE o.domain = c.domain AND o.created_at < c.cutoff
        AND (c.domain > p.domain OR (o.created_at, o.id) > (to_timestamp(0) + p.us * interval '1 microsecond', p.id))
      ORDER BY o.created_at, o.id LIMIT 100) AS v
    WHERE c.domain >= p.domain ORDER BY v.domain, v.created_at, v.id LIMIT 100
  ), last AS (
    SELECT domain || ' ' || (extract(epoch FROM created_at) * 1000000)::bigint || ' ' || id AS position
    FROM looked_at ORDER BY domain DESC, created_at DESC, id DESC LIMIT 1
  ))",
                     tenants_cutoffs, held("v.domain", "ARRAY[v.subject_key::text, " + alias("v.id") + "]"));
}

PruneStep messages_step() {
  return {"messages", conversation_window() + R"(, due AS MATERIALIZED (
    SELECT m.id, w.domain FROM looked_at w JOIN messages m ON m.conversation_id = w.id
    WHERE NOT w.held AND m.created_at < w.cutoff AND m.purged_at IS NULL LIMIT $2
  ), gone AS (
    UPDATE messages m SET content = NULL, tool_calls = NULL, sentiment = NULL, purged_at = now()
    FROM due WHERE m.id = due.id RETURNING due.domain
  ), whole AS (SELECT count(*) < $2 AS done FROM due)
  SELECT g.domain, COALESCE(g.rows, 0) AS rows, COALESCE(g.held, 0) AS held,
         COALESCE(CASE WHEN w.done THEN l.position ELSE $3 END, $3) AS position, l.position IS NOT NULL AS more
  FROM whole w LEFT JOIN last l ON true LEFT JOIN (
    SELECT domain, sum(rows)::bigint AS rows, sum(held)::bigint AS held FROM (
      SELECT domain, 1 AS rows, 0 AS held FROM gone
      UNION ALL SELECT domain, 0, 1 FROM looked_at WHERE held AND (SELECT done FROM whole)) AS each GROUP BY domain
  ) AS g ON true)"};
}

PruneStep conversations_step() {
  return {"conversations", conversation_window() + R"(, gone AS (
    DELETE FROM conversations v USING looked_at w
    WHERE v.id = w.id AND NOT w.held AND COALESCE(v.last_message_at, v.created_at) < w.cutoff
      AND NOT EXISTS (SELECT FROM messages m WHERE m.conversation_id = v.id AND m.purged_at IS NULL)
    RETURNING v.domain
  )
  SELECT g.domain, COALESCE(g.rows, 0) AS rows, 0 AS held, COALESCE(l.position, $3) AS position,
         l.position IS NOT NULL AS more
  FROM (SELECT $2::bigint) AS one LEFT JOIN last l ON true
  LEFT JOIN (SELECT domain, count(*) AS rows FROM gone GROUP BY domain) AS g ON true)"};
}

}  // namespace

PruneTask audit_task() {
  PruneTask task{"gdpr-audit", "audit.pruned", std::string{two_years}, counted("gdpr_audit_log", "created_at")};
  task.steps = {{"gdpr_audit_log", fmt::format(R"(
  WITH looked_at AS MATERIALIZED (
    SELECT a.ctid AS at, a.domain, a.created_at, a.id, {} AS held
    FROM gdpr_audit_log a
    WHERE a.created_at < $1::timestamptz
      AND (a.created_at, a.id) > (CASE WHEN $3 = '' THEN '-infinity' ELSE split_part($3, ' ', 1)::timestamptz END,
                                  COALESCE(NULLIF(split_part($3, ' ', 2), ''), '00000000-0000-0000-0000-000000000000')::uuid)
    ORDER BY a.created_at, a.id LIMIT $2
  ), gone AS (
    DELETE FROM gdpr_audit_log WHERE ctid = ANY (ARRAY(SELECT at FROM looked_at WHERE NOT held)) RETURNING domain
  ), last AS (
    SELECT to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || ' ' || id AS position
    FROM looked_at ORDER BY created_at DESC, id DESC LIMIT 1
  )
  SELECT g.domain, COALESCE(g.rows, 0) AS rows, COALESCE(g.held, 0) AS held, COALESCE(l.position, $3) AS position,
         (SELECT count(*) FROM looked_at) = $2 AS more
  FROM (SELECT) AS one LEFT JOIN last l ON true LEFT JOIN (
    SELECT domain, sum(rows)::bigint AS rows, sum(held)::bigint AS held FROM (
      SELECT domain, 1 AS rows, 0 AS held FROM gone UNION ALL SELECT domain, 0, 1 FROM looked_at WHERE held) AS each
    GROUP BY domain) AS g ON true)",
                                               held("a.domain", "ARRAY[a.subject_key::text]"))}};
  return task;
}

PruneTask messages_task() {
  PruneTask task{"messages", "retention.messages", "now()", {}};
  task.count = fmt::format(R"(
  WITH {}
  SELECT (SELECT count(*) FROM cutoffs c JOIN conversations v ON v.domain = c.domain AND v.created_at < c.cutoff
                 JOIN messages m ON m.conversation_id = v.id AND m.created_at < c.cutoff AND m.purged_at IS NULL) AS due,
         (SELECT count(*) FROM messages m WHERE m.purged_at IS NULL) AS total)",
                           tenants_cutoffs);
  auto const of_profile = held("p.domain", "ARRAY[p.subject_key::text, " + alias("p.id") + "]");
  auto const of_match =
      held("m.domain", "ARRAY[" + alias("m.user_a_id") + ", " + alias("m.user_b_id") + ", " + alias("m.id") + "]");
  task.steps.push_back(messages_step());
  task.steps.push_back(conversations_step());
  task.steps.push_back(by_tenant("call_summaries", fmt::format(R"(
    SELECT s.ctid AS at, s.domain,
           {} OR EXISTS (SELECT FROM omnichannel_sessions o JOIN profiles p ON p.id = o.profile_id
                         WHERE o.domain = s.domain AND o.call_id = s.call_id AND {}) AS held
    FROM cutoffs c JOIN call_summaries s ON s.domain = c.domain AND s.created_at < c.cutoff)",
                                                               held("s.domain", "'{}'::text[]"), of_profile)));
  task.steps.push_back(by_tenant("message_delivery_log", fmt::format(R"(
    SELECT l.ctid AS at, l.domain, {} AS held
    FROM cutoffs c JOIN message_delivery_log l ON l.domain = c.domain AND l.created_at < c.cutoff
         JOIN profiles p ON p.id = l.profile_id)",
                                                                     of_profile)));
  task.steps.push_back(by_tenant("omnichannel_sessions", fmt::format(R"(
    SELECT o.ctid AS at, o.domain, {} AS held
    FROM cutoffs c JOIN omnichannel_sessions o ON o.domain = c.domain AND greatest(o.last_activity_at, o.expires_at) < c.cutoff
         JOIN profiles p ON p.id = o.profile_id)",
                                                                     of_profile)));
  // A profile with an opt-out stays until its person's key is known: only then the opt-out is kept elsewhere.
  task.steps.push_back(by_tenant("profiles", fmt::format(R"(
    SELECT p.ctid AS at, p.domain, {} AS held
    FROM cutoffs c JOIN profiles p ON p.domain = c.domain
         AND greatest(p.created_at, p.updated_at, p.last_whatsapp_inbound_at) < c.cutoff
    WHERE (p.subject_key IS NOT NULL OR p.allows_sms AND p.sms_opt_out_at IS NULL AND p.whatsapp_opt_out_at IS NULL)
      AND NOT EXISTS (SELECT FROM omnichannel_sessions o WHERE o.profile_id = p.id)
      AND NOT EXISTS (SELECT FROM message_delivery_log l WHERE l.profile_id = p.id)
      AND NOT EXISTS (SELECT FROM pipeline.delivery d WHERE d.profile_id = p.id
                      AND d.state IN ('planned', 'claimed', 'dispatching', 'in_doubt')))",
                                                         of_profile)));
  task.steps.push_back(by_tenant("omniscient_matches", fmt::format(R"(
    SELECT m.ctid AS at, m.domain, {} AS held
    FROM cutoffs c JOIN omniscient_matches m ON m.domain = c.domain AND m.status IN ('completed', 'cancelled')
         AND greatest(m.created_at, m.updated_at) < c.cutoff)",
                                                                   of_match)));
  task.steps.push_back(
      by_tenant("omniscient_insights",
                fmt::format(R"(
    SELECT i.ctid AS at, i.domain, {} AS held
    FROM cutoffs c JOIN omniscient_insights i ON i.domain = c.domain AND i.created_at < c.cutoff
    WHERE NOT EXISTS (SELECT FROM omniscient_match_insights x WHERE x.insight_id = i.id))",
                            held("i.domain", "ARRAY[" + alias("i.user_a_id") + ", " + alias("i.user_b_id") + "]"))));
  task.steps.push_back(
      by_tenant("omniscient_reports", fmt::format(R"(
    SELECT r.ctid AS at, r.domain, {} AS held
    FROM cutoffs c JOIN omniscient_reports r ON r.domain = c.domain AND r.created_at < c.cutoff)",
                                                  held("r.domain", "ARRAY[" + alias("r.user_id") + "]"))));
  task.steps.push_back(
      by_tenant("omniscient_processing_logs", fmt::format(R"(
    SELECT l.ctid AS at, l.domain, {} AS held
    FROM cutoffs c JOIN omniscient_processing_logs l ON l.domain = c.domain AND l.created_at < c.cutoff)",
                                                          held("l.domain", "ARRAY[" + alias("l.target_id") + "]"))));
  // A person with a login ends it themselves or is erased: their principal goes with them.
  task.steps.push_back(by_tenant("users", fmt::format(R"(
    SELECT u.ctid AS at, u.domain, {} AS held
    FROM cutoffs c JOIN users u ON u.domain = c.domain AND greatest(u.created_at, u.recorded_at) < c.cutoff
         AND u.auth_user_id IS NULL
    WHERE NOT EXISTS (SELECT FROM personal_stories s WHERE s.user_id = u.id AND s.updated_at >= c.cutoff)
      AND NOT EXISTS (SELECT FROM omniscient_matches m WHERE m.user_a_id = u.id)
      AND NOT EXISTS (SELECT FROM omniscient_matches m WHERE m.user_b_id = u.id)
      AND NOT EXISTS (SELECT FROM omniscient_reports r WHERE r.user_id = u.id))",
                                                      held("u.domain", "ARRAY[" + alias("u.id") + "]"))));
  return task;
}

std::vector<PruneTask> pipeline_tasks(std::chrono::milliseconds longest_retention) {
  auto const tables = kept_tables(longest_retention);
  auto const find = [&](std::string_view name) { return *std::ranges::find(tables, name, &KeptTable::name); };
  auto const before = [&](std::string_view name) {
    return fmt::format("now() - interval '{} milliseconds'", find(name).age.value().count());
  };
  auto const make = [](std::string const& name, std::string cutoff, PruneStep step) {
    return PruneTask{name, "retention." + name, std::move(cutoff), {}, cutoff_jump, {std::move(step)}};
  };
  auto const by_age_of = [&](std::string_view name, std::string_view domain = "NULL::text") {
    auto const table = find(name);
    return by_age(std::string{name}, table.time, domain, table.which);
  };
  std::vector<PruneTask> tasks;
  tasks.push_back(
      make("idempotency-keys", before("pipeline.idempotency_keys"), by_age_of("pipeline.idempotency_keys", "domain")));
  tasks.push_back(make("llm-responses", before("pipeline.llm_responses"), by_age_of("pipeline.llm_responses")));
  tasks.push_back(make("parked-records", before("pipeline.parked_records"), by_age_of("pipeline.parked_records")));
  tasks.push_back(make("refused-rows", before("pipeline.outbox"), by_age_of("pipeline.outbox")));
  tasks.push_back(make("forgotten", before("pipeline.forgotten"), by_age_of("pipeline.forgotten")));
  tasks.push_back({"access-log",
                   "retention.access-log",
                   std::string{two_years},
                   counted("access_log", "created_at"),
                   reason_to_stop,
                   {by_age("access_log", "created_at", "domain")}});
  tasks.push_back(make("erasures", before("pipeline.erasures"), {"pipeline.erasures", R"(
  SELECT NULL::text AS domain, rows, 0 AS held, '' AS position, rows = $2 AS more
  FROM pipeline.prune_erasures(now() - $1::timestamptz, $2) AS rows WHERE $3::text IS NOT NULL)"}));
  tasks.push_back(make("gdpr-archives", before("public.gdpr_archives"), {"gdpr_archives", R"(
  SELECT NULL::text AS domain, prune_gdpr_archives() AS rows, 0 AS held, '' AS position, false AS more
  WHERE $1::timestamptz IS NOT NULL AND $2::bigint IS NOT NULL AND $3::text IS NOT NULL)"}));
  tasks.push_back(make("deliveries", before("pipeline.delivery"), {"pipeline.delivery", R"(
  SELECT NULL::text AS domain, rows, 0 AS held, '' AS position, rows = $2 AS more
  FROM pipeline.prune_deliveries($1::timestamptz, $2) AS rows WHERE $3::text IS NOT NULL)"}));
  tasks.push_back(
      make("delivery-receipts", before("pipeline.delivery_receipt"), by_age_of("pipeline.delivery_receipt")));
  tasks.push_back(
      make("deferred-records", before("pipeline.deferred_records"), by_age_of("pipeline.deferred_records")));
  tasks.push_back(make("delivery-actions", std::string{two_years}, by_age_of("pipeline.delivery_actions")));
  tasks.push_back(make("spend", std::string{two_years}, by_age_of("pipeline.spend", "domain")));
  tasks.push_back(make("replays", before("pipeline.replay_runs"), by_age_of("pipeline.replay_runs")));
  tasks.push_back(make("maintenance-runs", std::string{two_years}, by_age_of("pipeline.maintenance_runs")));
  return tasks;
}

}  // namespace omnibus::retention
