#include "postgres/unit.hpp"

#include "faults/failpoint.hpp"
#include "postgres/admission.hpp"
#include "postgres/rows.hpp"

#include <chrono>
#include <deque>
#include <functional>
#include <string_view>
#include <utility>

#include <boost/describe/class.hpp>
#include <pqxx/pqxx>

namespace omnibus::postgres {
namespace {

/// Longer than transactions of the same kind hold a lock, and short for the other units in the transaction.
constexpr std::chrono::milliseconds brief_lock_wait{250};

/// The database's answer about an event, with the first of the outbox ids.
struct UnitAdmission {
  std::string verdict;
  std::int64_t first_outbox_id = 0;
};
BOOST_DESCRIBE_STRUCT(UnitAdmission, (), (verdict, first_outbox_id))

/// The outcome of a unit with this admission.
CommitOutcome outcome_of(std::string_view verdict) {
  if (verdict == "new") return CommitOutcome::committed;
  if (verdict == "fenced") return CommitOutcome::fenced;
  if (verdict == "erased") return CommitOutcome::erased;
  return verdict == "erasing" ? CommitOutcome::erasing : CommitOutcome::duplicate;
}

/// Whether the transaction has something to commit.
bool is_written(CommitOutcome outcome) {
  return outcome == CommitOutcome::committed || outcome == CommitOutcome::erased;
}

OutboxSource source_of(AdmitKey const& key) {
  return {key.consumer, key.topic, key.partition};
}

/// The arguments of admit_each about people.
void append_people(std::string& sql, pqxx::connection const& connection, std::span<Unit const* const> units) {
  std::vector<std::string> ordinals;
  std::vector<About const*> about;
  for (auto const* const unit : units) {
    ordinals.push_back(std::to_string(ordinals.size() + 1));
    about.push_back(&unit->key.about);
  }
  append_about(sql, connection, ordinals, about);
}

}  // namespace

CommitResult run_unit(pqxx::connection& connection, AdmitKey const& key, std::function<void(OpenUnit&)> const& work,
                      std::vector<OutboxRow>* attempted, std::chrono::milliseconds lock_wait) {
  AdmittedTransaction transaction{connection};
  std::string sql;
  if (lock_wait.count() > 0) sql = "SET LOCAL lock_timeout = " + std::to_string(lock_wait.count()) + "; ";
  sql += "SELECT pipeline.admit(";
  sql += connection.quote(key.consumer);
  sql += ',';
  append_uuid(sql, key.run_id);
  sql += ',';
  append_uuid(sql, OMNIBUS_MUTATED("inbox") ? random_uuid() : key.event_id);
  sql += ',';
  sql += connection.quote(key.topic);
  sql += ',' + std::to_string(key.partition) + ',' + std::to_string(key.epoch);
  if (auto const& about = key.about; !about.subjects.empty() && !OMNIBUS_MUTATED("erased")) {
    sql += ',';
    append_array(sql, about.keys(), std::identity{});
    sql += ',';
    sql += connection.quote(about.topic);
    sql += ',' + std::to_string(about.partition) + ',' + std::to_string(about.offset);
  }
  sql += ") AS verdict, nextval('pipeline.outbox_id') AS first_outbox_id";
  auto const admission = read_one<UnitAdmission>(transaction.begin(sql));
  auto const outcome = outcome_of(admission.verdict);
  if (!is_written(outcome)) {
    transaction.abort();
    return {outcome, {}};
  }

  std::vector<OutboxRow> own;
  auto& rows = attempted != nullptr ? *attempted : own;
  rows.clear();
  if (outcome == CommitOutcome::erased) {
    transaction.commit_with(std::string{no_statement});
    return {outcome, {}};
  }
  OMNIBUS_FAILPOINT("unit.admitted");
  Gathered gathered;
  OpenUnit unit{transaction, gathered};
  work(unit);
  gathered.write(transaction);
  OutboxIds ids{transaction, admission.first_outbox_id};
  rows = ids.number(std::move(unit.records()));
  OutboxRows const written{source_of(key), rows};
  transaction.commit_with(write_outbox(transaction, std::span{&written, 1}));
  return {CommitOutcome::committed, std::move(rows)};
}

std::vector<CommitResult> run_units(pqxx::connection& connection, std::span<Unit const* const> units) {
  auto const& first = units.front()->key;
  std::vector<std::string> topics;
  for (auto const* const unit : units) topics.push_back(unit->key.topic);

  AdmittedTransaction transaction{connection};
  std::string sql = "SET LOCAL lock_timeout = ";
  sql += std::to_string(brief_lock_wait.count());
  sql += "; SELECT verdict, (SELECT nextval('pipeline.outbox_id')) AS first_outbox_id FROM pipeline.admit_each(";
  sql += connection.quote(first.consumer);
  sql += ',';
  append_uuid(sql, first.run_id);
  sql += ',';
  append_array(sql, units, [](Unit const* unit) {
    return to_string(OMNIBUS_MUTATED("inbox") ? random_uuid() : unit->key.event_id);
  });
  sql += ',';
  sql += connection.quote(topics);
  sql += ',';
  append_array(sql, units, [](Unit const* unit) { return std::to_string(unit->key.partition); });
  sql += ',';
  append_array(sql, units, [](Unit const* unit) { return std::to_string(unit->key.epoch); });
  append_people(sql, connection, units);
  sql += ") ORDER BY ordinal";
  auto const admissions = read<UnitAdmission>(transaction.begin(sql));

  OMNIBUS_FAILPOINT("unit.admitted");
  struct Admitted {
    Admitted(pqxx::transaction_base& within, Gathered& gathered, Unit const& of, CommitResult& to)
        : unit{of}, result{to}, open{within, gathered}, rows{of.attempted != nullptr ? *of.attempted : own} {}
    Unit const& unit;
    CommitResult& result;
    OpenUnit open;
    std::vector<OutboxRow> own;
    std::vector<OutboxRow>& rows;
  };
  std::vector<CommitResult> results(units.size());
  std::deque<Admitted> admitted;
  Gathered gathered;
  auto written_to = false;
  for (std::size_t i = 0; i < units.size(); ++i) {
    results[i].outcome = outcome_of(admissions.at(i).verdict);
    written_to = written_to || is_written(results[i].outcome);
    if (results[i].outcome == CommitOutcome::erased && units[i]->attempted != nullptr) units[i]->attempted->clear();
    if (results[i].outcome != CommitOutcome::committed) continue;
    auto& mine = admitted.emplace_back(transaction, gathered, *units[i], results[i]);
    mine.unit.work(mine.open);
  }
  if (!written_to) {
    transaction.abort();
    return results;
  }
  gathered.write(transaction);

  OutboxIds ids{transaction, admissions.front().first_outbox_id};
  std::vector<OutboxRows> written;
  for (auto& mine : admitted) {
    mine.rows = ids.number(std::move(mine.open.records()));
    written.push_back({source_of(mine.unit.key), mine.rows});
  }
  transaction.commit_with(write_outbox(transaction, written));
  for (auto& mine : admitted) mine.result.published = std::move(mine.rows);
  return results;
}

}  // namespace omnibus::postgres
