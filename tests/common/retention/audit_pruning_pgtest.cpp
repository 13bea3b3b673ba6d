// Pruning of the audit log in a migrated database, as the role of the gdpr worker.
#include "tests/common/retention/retention_database.hpp"

#include <stdexcept>
#include <string>

#include <doctest/doctest.h>

using namespace omnibus::retention;
using namespace omnibus::retention::test;

namespace {

/// A log with old rows, and as many young ones, so that a run may begin.
struct AuditLog : RetentionDatabase {
  /// Rows of a time, one microsecond apart, each of a person of its own.
  void add(std::string const& time, int rows = 1, std::string const& domain = "shop.example") const {
    execute(
        "INSERT INTO gdpr_audit_log (domain, actor, action, status, subject_key, created_at)"
        " SELECT '" +
        domain + "', 'worker:gdpr', 'erasure.rows', 'done', md5(n::text), " + time +
        " + n * interval '1 microsecond' FROM generate_series(1, " + std::to_string(rows) + ") AS n");
  }
  void add_young(int rows) const { add("now() - interval '1 day'", rows); }
  void add_old(int rows, std::string const& domain = "shop.example") const {
    add("now() - interval '3 years'", rows, domain);
  }
  std::string rows() const { return value("SELECT count(*) FROM gdpr_audit_log WHERE action = 'erasure.rows'"); }
  std::string run_row() const {
    return value(
        "SELECT state || ' ' || done || ' ' || held || ' ' || COALESCE(reason, '-') FROM pipeline.maintenance_runs"
        " ORDER BY started_at DESC LIMIT 1");
  }
};

PruneOptions batches_of(std::int64_t rows) {
  PruneOptions options;
  options.most_rows = rows;
  return options;
}

}  // namespace

TEST_CASE("audit rows of more than two years are deleted in batches, and the run is audited per tenant") {
  AuditLog log;
  log.add_old(23);
  log.add_old(4, "other.example");
  log.add_young(40);
  auto const report = log.run(audit_task(), batches_of(10));
  CHECK(report.state == PruneState::finished);
  CHECK(report.done == 27);
  CHECK(log.rows() == "40");
  CHECK(log.run_row() == "finished 27 0 -");
  CHECK(log.value("SELECT string_agg(domain || ' ' || (payload -> 'rows' ->> 'gdpr_audit_log'), ', ' ORDER BY domain)"
                  " FROM gdpr_audit_log WHERE action = 'audit.pruned'") == "other.example 4, shop.example 23");
  CHECK(log.run(audit_task()).done == 0);
}

TEST_CASE("a row of exactly two years stays, whatever zone the role and the server are in") {
  AuditLog log;
  SUBCASE("in UTC") {}
  SUBCASE("in Berlin") {
    auto const database = log.value("SELECT current_database()");
    log.execute("ALTER ROLE CURRENT_USER IN DATABASE " + database + " SET TimeZone = 'Europe/Berlin'");
    log.execute("ALTER DATABASE " + database + " SET TimeZone = 'Europe/Berlin'");
  }
  // The cut-off is taken from the transaction's time, which a row cannot be made for in advance: its function is asked.
  auto const cutoff = [&](std::string const& at) {
    pqxx::connection connection{log.url_as("gdpr") + "%20-c%20TimeZone%3DEurope/Berlin"};
    return pqxx::nontransaction{connection}.query_value<std::string>("SELECT to_char(pipeline.two_years_before('" + at +
                                                                     "') AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')");
  };
  CHECK(cutoff("2026-03-29 03:30+02") == "2024-03-29 01:30:00");  // the hour of the change in Berlin
  CHECK(cutoff("2026-10-25 02:30+01") == "2024-10-25 01:30:00");
  CHECK(cutoff("2028-02-29 12:00Z") == "2026-02-28 12:00:00");
  CHECK(cutoff("2026-02-28 12:00Z") == "2024-02-28 12:00:00");  // the row of 29 February stays
  CHECK(cutoff("2026-03-01 00:00Z") == "2024-03-01 00:00:00");
  // Rows around the cut-off of a run that is open already.
  log.execute("INSERT INTO pipeline.maintenance_runs (name, cutoff) VALUES ('gdpr-audit', '2024-03-29 01:30Z')");
  log.add("timestamptz '2024-03-29 01:30Z' - interval '1 microsecond'");  // exactly two years
  log.add("timestamptz '2024-03-29 01:30Z' - interval '2 microseconds'");
  log.add("timestamptz '2024-03-29 02:29Z'");  // an hour too much would take it
  auto const report = log.run(audit_task());
  CHECK(report.cutoff == "2024-03-29T01:30:00.000000Z");
  CHECK(report.done == 1);
  CHECK(log.rows() == "2");
}

TEST_CASE("a run that was killed goes on at its position, and its total is exact") {
  AuditLog log;
  log.add_old(95);
  log.add_young(100);
  struct Killed : std::runtime_error {
    using std::runtime_error::runtime_error;
  };
  for (int batches : {1, 3, 2}) {
    auto options = batches_of(10);
    options.after_batch = [&batches] {
      if (--batches == 0) throw Killed{"kill -9"};
    };
    CHECK_THROWS_AS(log.run(audit_task(), options), Killed);
  }
  CHECK(log.run_row() == "running 60 0 -");
  // Behind the position: a row that came late is left for the next run.
  log.add("now() - interval '4 years'");
  auto const report = log.run(audit_task(), batches_of(10));
  CHECK(report.state == PruneState::finished);
  CHECK(report.done == 95);
  CHECK(log.run_row() == "finished 95 0 -");
  CHECK(log.rows() == "101");
  CHECK(log.count("pipeline.maintenance_runs") == "1");
  CHECK(log.value("SELECT payload -> 'rows' ->> 'gdpr_audit_log' FROM gdpr_audit_log WHERE action = 'audit.pruned'") ==
        "95");
}

TEST_CASE("a run whose slice is over is gone on with by the next call") {
  AuditLog log;
  log.add_old(25);
  log.add_young(30);
  auto options = batches_of(10);
  options.slice = std::chrono::milliseconds{0};
  CHECK(log.run(audit_task(), options).state == PruneState::unfinished);
  CHECK(log.run(audit_task(), options).state == PruneState::unfinished);
  CHECK(log.run(audit_task(), options).state == PruneState::finished);
  CHECK(log.rows() == "30");
}

TEST_CASE("rows under a legal hold are kept and counted, those of others go") {
  AuditLog log;
  log.add_old(20);
  log.add_young(30);
  std::string held = "20";
  SUBCASE("of one person") {
    log.execute("INSERT INTO legal_holds (domain, subject_key) VALUES ('shop.example', md5('7'))");
    held = "1";
  }
  SUBCASE("of the tenant, until next week") {
    log.execute("INSERT INTO legal_holds (domain, until) VALUES ('shop.example', now() + interval '7 days')");
  }
  log.add_old(5, "other.example");
  auto const report = log.run(audit_task(), batches_of(10));
  CHECK(std::to_string(report.held) == held);
  CHECK(report.done == 25 - report.held);
  CHECK(log.value("SELECT count(*) FROM gdpr_audit_log WHERE created_at < now() - interval '2 years'") == held);
  CHECK(log.value("SELECT payload -> 'rows' ->> 'held' FROM gdpr_audit_log WHERE action = 'audit.pruned'"
                  " AND domain = 'shop.example'") == held);
  // When it has ended.
  log.execute("UPDATE legal_holds SET until = now() - interval '1 second'");
  CHECK(std::to_string(log.run(audit_task()).done) == held);
}

TEST_CASE("a run that would take more than half is stopped until it is forced") {
  AuditLog log;
  log.add_old(11);
  log.add_young(10);
  auto const stopped = log.run(audit_task());
  CHECK(stopped.state == PruneState::stopped);
  CHECK(stopped.reason == "more_than_half");
  CHECK(stopped.due == 11);
  CHECK(stopped.total == 21);
  CHECK(log.run_row() == "stopped 0 0 more_than_half");
  CHECK(log.rows() == "21");
  CHECK(log.force(audit_task()).done == 11);
  CHECK(log.value("SELECT payload ->> 'forced' FROM gdpr_audit_log WHERE action = 'audit.pruned'") == "true");
}

TEST_CASE("a run after a wrong clock is stopped: its cut-off is too far from the last run's") {
  AuditLog log;
  log.add_old(1);
  log.add_young(10);
  REQUIRE(log.run(audit_task()).state == PruneState::finished);
  CHECK(log.run(audit_task()).state == PruneState::finished);
  // As if the clock had been set ahead since.
  std::string wrong;
  SUBCASE("a year ahead") {
    wrong = "cutoff - interval '1 year'";
  }
  SUBCASE("nine days behind") {
    wrong = "cutoff + interval '9 days'";
  }
  log.execute("UPDATE pipeline.maintenance_runs SET cutoff = " + wrong);
  auto const stopped = log.run(audit_task());
  CHECK(stopped.state == PruneState::stopped);
  CHECK(stopped.reason == "cutoff_jump");
  CHECK(log.run(audit_task()).state == PruneState::stopped);  // a stopped run is no last run
  CHECK(log.force(audit_task()).state == PruneState::finished);
  CHECK(log.run(audit_task()).state == PruneState::finished);
}

TEST_CASE("a dry run counts, says what would stop it, and changes nothing") {
  AuditLog log;
  log.add_old(2);
  log.add_young(1);
  PruneOptions options;
  options.dry_run = true;
  auto const report = log.run(audit_task(), options);
  CHECK(report.state == PruneState::counted);
  CHECK(report.due == 2);
  CHECK(report.reason == "more_than_half");
  CHECK(log.rows() == "3");
  CHECK(log.count("pipeline.maintenance_runs") == "0");
}

TEST_CASE("one process at a time") {
  AuditLog log;
  log.add_old(20);
  log.add_young(30);
  auto options = batches_of(10);
  PruneState meanwhile{};
  options.after_batch = [&] { meanwhile = log.run(audit_task()).state; };
  CHECK(log.run(audit_task(), options).done == 20);
  CHECK(meanwhile == PruneState::busy);
  CHECK(log.count("pipeline.maintenance_runs") == "1");
}

TEST_CASE("a finished run is announced once, with its counts") {
  AuditLog log;
  log.add_old(3);
  log.add_young(10);
  log.run(audit_task());
  pqxx::connection connection{log.url_as("gdpr")};
  pqxx::work transaction{connection};
  auto const counts = take_unannounced(transaction);
  REQUIRE(counts.size() == 1);
  CHECK(counts[0].name == "gdpr-audit");
  CHECK(counts[0].domain == "shop.example");
  CHECK(counts[0].table == "gdpr_audit_log");
  CHECK(counts[0].rows == 3);
  CHECK(counts[0].cutoff.ends_with("Z"));
  CHECK(take_unannounced(transaction).empty());
}
