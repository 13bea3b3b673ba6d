#include "retention/prune_run.hpp"

#include "postgres/rows.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <pqxx/pqxx>

namespace omnibus::retention {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
// A person who comes back while their old rows are deleted makes the batch fail, and it is run again.
using BatchTransaction = pqxx::transaction<pqxx::isolation_level::repeatable_read>;

constexpr int most_repetitions = 20;
constexpr std::string_view rfc3339 = R"('YYYY-MM-DD"T"HH24:MI:SS.US"Z"')";

struct CutoffRow {
  std::string cutoff;
  std::optional<std::int64_t> advance_ms;
};
BOOST_DESCRIBE_STRUCT(CutoffRow, (), (cutoff, advance_ms))

struct DueCountRow {
  std::int64_t due = 0;
  std::int64_t total = 0;
};
BOOST_DESCRIBE_STRUCT(DueCountRow, (), (due, total))

/// A run that has begun.
struct RunRow {
  std::string id;
  std::string cutoff;
  std::string position;
  std::int64_t done = 0;
  std::int64_t held = 0;
};
BOOST_DESCRIBE_STRUCT(RunRow, (), (id, cutoff, position, done, held))

struct BatchRow {
  std::optional<std::string> domain;
  std::int64_t rows = 0;
  std::int64_t held = 0;
  std::string position;
  bool more = false;
};
BOOST_DESCRIBE_STRUCT(BatchRow, (), (domain, rows, held, position, more))

struct HeldRow {
  std::string domain;
  std::int64_t held = 0;
};
BOOST_DESCRIBE_STRUCT(HeldRow, (), (domain, held))

void set_utc(pqxx::transaction_base& transaction) {
  transaction.exec("SET LOCAL TimeZone = 'UTC'");
}

/// Held while a process is at the runs of a name, and gone with its session.
class SessionLock {
 public:
  SessionLock(pqxx::connection& connection, std::string const& name)
      : connection_{connection}, name_{"retention\n" + name}, held_{ask("pg_try_advisory_lock")} {}
  SessionLock(SessionLock const&) = delete;
  SessionLock& operator=(SessionLock const&) = delete;
  ~SessionLock() {
    try {
      if (held_) ask("pg_advisory_unlock");
    } catch (std::exception const&) {
      // The session is gone, and the lock with it.
    }
  }
  bool held() const { return held_; }

 private:
  bool ask(std::string_view function) {
    pqxx::nontransaction query{connection_};
    return query.query_value<bool>(fmt::format("SELECT {}(hashtextextended($1, 0))", function), pqxx::params{name_});
  }

  pqxx::connection& connection_;
  std::string const name_;
  bool const held_;
};

/// The run that is open, if there is one.
std::optional<RunRow> find_open(pqxx::transaction_base& transaction, std::string const& name) {
  return postgres::read_optional<RunRow>(
      transaction,
      fmt::format(
          "SELECT id, to_char(cutoff AT TIME ZONE 'UTC', {}) AS cutoff, COALESCE(position, '') AS position, done,"
          " held FROM pipeline.maintenance_runs WHERE name = $1 AND state = 'running'",
          rfc3339),
      pqxx::params{name});
}

std::string begin(pqxx::transaction_base& transaction, PruneTask const& task, std::string const& cutoff,
                  std::string_view state, std::string const& reason, bool forced) {
  return transaction.query_value<std::string>(
      "INSERT INTO pipeline.maintenance_runs (name, cutoff, state, reason, forced, finished_at) VALUES"
      " ($1, $2, $3, NULLIF($4, ''), $5, CASE WHEN $3 = 'stopped' THEN now() END) RETURNING id",
      pqxx::params{task.name, cutoff, state, reason, forced});
}

/// Adds to the run's counts, and moves it to the position.
void note(pqxx::transaction_base& transaction, RunRow const& run, std::string const& table,
          std::vector<BatchRow> const& batch) {
  std::vector<std::string> domains, names;
  std::vector<std::int64_t> counts;
  for (auto const& row : batch) {
    if (!row.domain) continue;
    for (auto const& [name, count] : {std::pair{table, row.rows}, std::pair{std::string{"held"}, row.held}}) {
      if (count == 0) continue;
      domains.push_back(*row.domain);
      names.push_back(name);
      counts.push_back(count);
    }
  }
  transaction.exec(R"(
      UPDATE pipeline.maintenance_runs r SET position = $2, done = $3, held = $4, counts = COALESCE((
        SELECT jsonb_object_agg(domain, tables) FROM (
          SELECT domain, jsonb_object_agg(name, rows) AS tables FROM (
            SELECT domain, name, sum(rows) AS rows FROM (
              SELECT d.key AS domain, t.key AS name, t.value::bigint AS rows
              FROM jsonb_each(r.counts) AS d, jsonb_each_text(d.value) AS t
              UNION ALL SELECT * FROM unnest($5::text[], $6::text[], $7::bigint[])) AS each
            GROUP BY domain, name) AS summed
          GROUP BY domain) AS by_domain), r.counts)
      WHERE id = $1)",
                   pqxx::params{run.id, run.position, run.done, run.held, domains, names, counts});
}

void finish(pqxx::transaction_base& transaction, PruneTask const& task, RunRow const& run, std::string const& actor) {
  transaction.exec(
      "UPDATE pipeline.maintenance_runs SET state = 'finished', finished_at = clock_timestamp() WHERE id = $1",
      pqxx::params{run.id});
  transaction.exec(
      "INSERT INTO gdpr_audit_log (domain, actor, action, status, payload)"
      " SELECT t.domain, $2, $3, 'done', jsonb_build_object('run', r.id, 'name', r.name, 'older_than', r.cutoff,"
      "        'forced', r.forced, 'rows', d.value)"
      " FROM pipeline.maintenance_runs r, jsonb_each(r.counts) AS d JOIN tenants t ON t.domain = d.key WHERE r.id = $1",
      pqxx::params{run.id, actor, task.action});
}

/// Runs one task over one connection.
class Run {
 public:
  Run(pqxx::connection& connection, PruneTask const& task, PruneOptions const& options)
      : connection_{connection}, task_{task}, options_{options} {}

  PruneReport prune() {
    SessionLock const lock{connection_, task_.name};
    if (!lock.held()) return report_;
    if (!open()) return report_;
    auto const until = Clock::now() + options_.slice;
    auto [step, position] = place();
    for (; step < task_.steps.size(); ++step, position.clear()) {
      BatchSize size{options_.most_rows};
      while (take(step, position, size)) {
        if (Clock::now() >= until) return end(PruneState::unfinished);
        std::this_thread::sleep_for(options_.pause);
      }
    }
    pqxx::work transaction{connection_};
    set_utc(transaction);
    finish(transaction, task_, run_, options_.actor);
    transaction.commit();
    return end(PruneState::finished);
  }

 private:
  /// Finds or begins the run. @return false when there is nothing to do.
  bool open() {
    pqxx::work transaction{connection_};
    set_utc(transaction);
    auto const open = find_open(transaction, task_.name);
    auto const next = postgres::read_one<CutoffRow>(
        transaction,
        fmt::format(
            "SELECT to_char(c.cutoff AT TIME ZONE 'UTC', {}) AS cutoff,"
            " (SELECT (extract(epoch FROM c.cutoff - r.cutoff) * 1000)::bigint FROM pipeline.maintenance_runs r"
            "  WHERE r.name = $1 AND r.state = 'finished' ORDER BY r.started_at DESC, r.id DESC LIMIT 1) AS advance_ms"
            " FROM (SELECT {} AS cutoff) AS c",
            rfc3339, task_.cutoff),
        pqxx::params{task_.name});
    report_.cutoff = open ? open->cutoff : next.cutoff;
    if (!task_.count.empty() && (!open || options_.dry_run)) {
      auto const counted = postgres::read_one<DueCountRow>(transaction, task_.count, pqxx::params{report_.cutoff});
      report_.due = counted.due;
      report_.total = counted.total;
    }
    PruneOutlook outlook{report_.due, report_.total, {}};
    if (next.advance_ms) outlook.advance = milliseconds{*next.advance_ms};
    // A run that has begun was allowed to.
    if (!open) report_.reason = task_.guard(outlook).value_or("");
    if (options_.dry_run) return end(PruneState::counted), false;
    auto const stopped = !report_.reason.empty() && !options_.force;
    if (open) {
      run_ = *open;
    } else {
      run_.id = begin(transaction, task_, report_.cutoff, stopped ? "stopped" : "running", report_.reason,
                      !stopped && !report_.reason.empty());
      run_.cutoff = report_.cutoff;
    }
    transaction.commit();
    if (stopped) end(PruneState::stopped);
    return !stopped;
  }

  /// The step and the position within it that the run has come to.
  std::pair<std::size_t, std::string> place() const {
    auto const colon = run_.position.find(':');
    if (colon == std::string::npos) return {0, {}};
    return {std::stoul(run_.position.substr(0, colon)), run_.position.substr(colon + 1)};
  }

  /// One batch. @return whether its step needs another.
  bool take(std::size_t step, std::string& position, BatchSize& size) {
    for (int repetition = 0;; ++repetition) {
      try {
        auto const begun = Clock::now();
        auto const more = try_take(step, position, size.rows());
        auto const took = std::chrono::duration_cast<milliseconds>(Clock::now() - begun);
        size.took(took);
        report_.longest_batch = std::max(report_.longest_batch, took);
        options_.after_batch();
        return more;
      } catch (pqxx::transaction_rollback const&) {
        if (repetition == most_repetitions) throw;
        std::this_thread::sleep_for(options_.pause);
      }
    }
  }

  bool try_take(std::size_t step, std::string& position, std::int64_t rows) {
    auto const& task = task_.steps[step];
    BatchTransaction transaction{connection_};
    set_utc(transaction);
    auto batch = postgres::read<BatchRow>(transaction, task.batch, pqxx::params{run_.cutoff, rows, position});
    auto const more = batch.at(0).more;
    auto next = run_;
    auto const reached = batch[0].position;
    if (!more && !task.held.empty())
      for (auto const& [domain, held] : postgres::read<HeldRow>(transaction, task.held, pqxx::params{run_.cutoff}))
        batch.push_back({domain, 0, held, {}, false});
    for (auto const& row : batch) {
      next.done += row.rows;
      next.held += row.held;
    }
    next.position = more ? fmt::format("{}:{}", step, reached) : fmt::format("{}:", step + 1);
    note(transaction, next, task.table, batch);
    transaction.commit();
    run_ = std::move(next);
    position = reached;
    return more;
  }

  PruneReport& end(PruneState state) {
    report_.state = state;
    report_.done = run_.done;
    report_.held = run_.held;
    return report_;
  }

  pqxx::connection& connection_;
  PruneTask const& task_;
  PruneOptions const& options_;
  RunRow run_;
  PruneReport report_;
};

}  // namespace

PruneReport prune(pqxx::connection& connection, PruneTask const& task, PruneOptions const& options) {
  return Run{connection, task, options}.prune();
}

std::vector<PruneCount> take_unannounced(pqxx::transaction_base& transaction) {
  return postgres::read<PruneCount>(
      transaction,
      fmt::format("WITH taken AS (UPDATE pipeline.maintenance_runs SET announced = true"
                  "               WHERE state = 'finished' AND NOT announced RETURNING id, name, cutoff, counts)"
                  " SELECT r.id::text AS run, r.name, d.key AS domain, t.key AS table, t.value::bigint AS rows,"
                  " to_char(r.cutoff AT TIME ZONE 'UTC', {}) AS cutoff"
                  " FROM taken r, jsonb_each(r.counts) AS d, jsonb_each_text(d.value) AS t ORDER BY r.id, d.key, t.key",
                  rfc3339));
}

}  // namespace omnibus::retention
