#include "engine/replay/replay_store.hpp"

#include "postgres/rows.hpp"

#include <pqxx/pqxx>

namespace omnibus::engine {
namespace {

constexpr Uuid replay_space{
    {0x6f, 0x6d, 0x6e, 0x69, 0x62, 0x75, 0x50, 0x00, 0x80, 0x00, 0x72, 0x65, 0x70, 0x6c, 0x61, 0x79}};
constexpr std::size_t longest_reason = 200;

}  // namespace

std::string_view to_string(Replay::Outcome outcome) {
  switch (outcome) {
    case Replay::Outcome::handled:
      return "handled";
    case Replay::Outcome::skipped:
      return "skipped";
    case Replay::Outcome::failed:
      return "failed";
    case Replay::Outcome::suppressed:
      return "suppressed";
  }
  return "handled";
}

Uuid ReplayRun::id() const {
  return name_uuid(replay_space, worker + '/' + run);
}

std::string forbidden_right(pqxx::transaction_base& transaction) {
  // What is not listed is refused, so that a ledger that is added later needs no change here.
  auto const right = postgres::read_optional<std::string>(transaction, R"(
      SELECT r.verb || t.oid::regclass
      FROM pg_class t CROSS JOIN LATERAL (
        SELECT CASE WHEN has_any_column_privilege(t.oid, 'INSERT') THEN 'insert into '
                    WHEN has_any_column_privilege(t.oid, 'UPDATE') THEN 'update '
                    WHEN has_table_privilege(t.oid, 'DELETE, TRUNCATE') THEN 'delete from ' END AS verb) AS r
      WHERE t.relnamespace = to_regnamespace('pipeline') AND t.relkind IN ('r', 'p') AND r.verb IS NOT NULL
        AND t.relname NOT IN ('fence', 'inbox', 'telemetry_calls', 'replay_runs', 'replay_progress', 'replay_members',
                              'replay_outcomes')
      ORDER BY t.relname <> 'outbox', t.relname LIMIT 1)");
  return right.value_or("");
}

void lock_run(pqxx::transaction_base& transaction, std::string_view run) {
  transaction.exec("SELECT pg_advisory_xact_lock(hashtextextended('replay ' || $1, 0))", pqxx::params{run});
}

std::optional<ReplayRun> find_run(pqxx::transaction_base& transaction, std::string_view run) {
  return postgres::read_optional<ReplayRun>(
      transaction,
      "SELECT run, worker, group_id AS \"group\", topics, window_from AS \"from\", window_to AS \"to\""
      " FROM pipeline.replay_runs WHERE run = $1",
      pqxx::params{run});
}

void create_run(pqxx::transaction_base& transaction, ReplayRun const& run, std::string_view started_by,
                std::vector<kafka::OffsetRange> const& window) {
  transaction.exec(
      "INSERT INTO pipeline.replay_runs (run, worker, group_id, topics, window_from, window_to, started_by)"
      " VALUES ($1, $2, $3, $4::text[], $5, $6, $7)",
      pqxx::params{run.run, run.worker, run.group, run.topics, run.from, run.to, started_by});
  for (auto const& [where, from, to] : window)
    transaction.exec(
        "INSERT INTO pipeline.replay_progress (run, topic, partition, from_offset, to_offset, position)"
        " VALUES ($1, $2, $3::int, $4::bigint, $5::bigint, $4::bigint)",
        pqxx::params{run.run, where.topic, where.partition, from, to});
}

std::vector<ReplayPartition> partitions_of(pqxx::transaction_base& transaction, std::string_view run) {
  return postgres::read<ReplayPartition>(
      transaction,
      "SELECT topic, partition, from_offset AS \"from\", to_offset AS \"to\", position"
      " FROM pipeline.replay_progress WHERE run = $1 ORDER BY topic, partition",
      pqxx::params{run});
}

std::vector<ReplayOutcome> outcomes_of(pqxx::transaction_base& transaction, std::string_view run) {
  return postgres::read<ReplayOutcome>(
      transaction,
      "SELECT outcome, reason, events FROM pipeline.replay_outcomes WHERE run = $1 ORDER BY outcome, reason",
      pqxx::params{run});
}

void save(pqxx::transaction_base& transaction, std::string_view run, ReplayReport const& report) {
  // One at a time: else two processes that end their last partitions could both miss that all are ended.
  transaction.exec("SELECT FROM pipeline.replay_runs WHERE run = $1 FOR UPDATE", pqxx::params{run});
  transaction.exec(
      "INSERT INTO pipeline.replay_members (run, member, per_s) VALUES ($1, $2, $3::float8)"
      " ON CONFLICT (run, member) DO UPDATE SET per_s = excluded.per_s, updated_at = now()",
      pqxx::params{run, report.member, report.per_second});
  std::vector<std::string> topics;
  std::vector<std::int32_t> partitions;
  std::vector<std::int64_t> positions;
  for (auto const& each : report.positions) {
    topics.push_back(each.where.topic);
    partitions.push_back(each.where.partition);
    positions.push_back(each.offset);
  }
  // Never back: after a change of owner, the last owner may report later than the next.
  transaction.exec(R"(
      UPDATE pipeline.replay_progress p SET position = least(d.position, p.to_offset)
      FROM unnest($2::text[], $3::int[], $4::bigint[]) AS d (topic, partition, position)
      WHERE p.run = $1 AND p.topic = d.topic AND p.partition = d.partition AND p.position < d.position)",
                   pqxx::params{run, topics, partitions, positions});
  for (auto const& [key, events] : report.counts)
    transaction.exec(
        "INSERT INTO pipeline.replay_outcomes AS o (run, outcome, reason, events) VALUES ($1, $2, $3, $4::bigint)"
        " ON CONFLICT (run, outcome, reason) DO UPDATE SET events = o.events + excluded.events",
        pqxx::params{run, to_string(key.first), key.second.substr(0, longest_reason),
                     static_cast<std::int64_t>(events)});
  transaction.exec(R"(
      UPDATE pipeline.replay_runs SET ended_at = now() WHERE run = $1 AND ended_at IS NULL
      AND NOT EXISTS (SELECT FROM pipeline.replay_progress p WHERE p.run = $1 AND p.position < p.to_offset))",
                   pqxx::params{run});
}

std::vector<ReplayStatus> replay_status(pqxx::transaction_base& transaction, std::optional<std::string> const& run) {
  return postgres::read<ReplayStatus>(transaction, R"(
      SELECT r.run, r.worker, r.group_id AS "group", r.topics, r.window_from AS "from", r.window_to AS "to", r.started_by,
             to_char(r.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS started_at,
             to_char(r.ended_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS ended_at,
             CASE WHEN r.ended_at IS NOT NULL THEN 'ended' WHEN m.processes > 0 THEN 'running' ELSE 'interrupted' END AS state,
             p.events, p.done, CASE WHEN r.ended_at IS NULL THEN m.processes ELSE 0 END AS processes,
             CASE WHEN r.ended_at IS NULL THEN m.per_s
                  ELSE coalesce(p.events / nullif(extract(epoch FROM r.ended_at - r.started_at), 0), 0)
             END::float8 AS per_second,
             CASE WHEN r.ended_at IS NULL AND m.per_s > 0 THEN trunc((p.events - p.done) / m.per_s)::bigint + 1
             END AS seconds_left,
             o.handled, o.skipped, o.failed, o.suppressed
      FROM pipeline.replay_runs r
      CROSS JOIN LATERAL (SELECT coalesce(sum(to_offset - from_offset), 0)::bigint AS events,
                                 coalesce(sum(position - from_offset), 0)::bigint AS done
                          FROM pipeline.replay_progress WHERE run = r.run) AS p
      CROSS JOIN LATERAL (SELECT count(*) AS processes, coalesce(sum(per_s), 0) AS per_s
                          FROM pipeline.replay_members
                          WHERE run = r.run AND updated_at > now() - interval '10 s') AS m
      CROSS JOIN LATERAL (SELECT coalesce(sum(events) FILTER (WHERE outcome = 'handled'), 0)::bigint AS handled,
                                 coalesce(sum(events) FILTER (WHERE outcome = 'skipped'), 0)::bigint AS skipped,
                                 coalesce(sum(events) FILTER (WHERE outcome = 'failed'), 0)::bigint AS failed,
                                 coalesce(sum(events) FILTER (WHERE outcome = 'suppressed'), 0)::bigint AS suppressed
                          FROM pipeline.replay_outcomes WHERE run = r.run) AS o
      WHERE $1::text IS NULL OR r.run = $1
      ORDER BY r.started_at DESC, r.run)",
                                      pqxx::params{run});
}

}  // namespace omnibus::engine
