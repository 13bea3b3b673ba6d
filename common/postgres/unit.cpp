#include "postgres/unit.hpp"

#include "faults/failpoint.hpp"
#include "postgres/rows.hpp"

#include <algorithm>
#include <chrono>
#include <deque>
#include <stdexcept>
#include <string_view>
#include <unordered_set>
#include <utility>

#include <boost/describe/class.hpp>
#include <pqxx/pqxx>

namespace omnibus::postgres {
namespace {

/// Outbox ids come from the database in blocks of this many, one block per admission (the sequence's increment).
constexpr std::int64_t ids_per_block = 1024;

/// Longer than transactions of the same kind hold a lock, and short for the other units in the transaction.
constexpr std::chrono::milliseconds brief_lock_wait{250};

/// Whether the server ended the session (SQLSTATE 57P0x): that may happen after a COMMIT and hide its answer.
bool ended_by_server(std::exception const& error) {
  auto const* const refused = dynamic_cast<pqxx::sql_error const*>(&error);
  return refused != nullptr && std::string_view{refused->sqlstate()}.starts_with("57P0");
}

/// A transaction whose BEGIN is sent with the statement that admits the event, and whose COMMIT is sent with the one
/// that writes the outbox.
class AdmittedTransaction final : public pqxx::dbtransaction {
 public:
  explicit AdmittedTransaction(pqxx::connection& connection) : pqxx::dbtransaction{connection} {
    register_transaction();
  }
  AdmittedTransaction(AdmittedTransaction const&) = delete;
  AdmittedTransaction& operator=(AdmittedTransaction const&) = delete;
  ~AdmittedTransaction() noexcept override { close(); }

  /// Sends BEGIN and `admission`, and returns the result of the latter.
  pqxx::result begin(std::string_view admission) {
    std::string sql = "BEGIN; ";
    sql += admission;
    return direct_exec(sql);
  }

  /// Sends `last` and COMMIT as one message.
  void commit_with(std::string last) {
    last_ = std::move(last);
    commit();
  }

 private:
  void do_commit() override {
    // In a failed transaction, COMMIT alone would be answered with a silent ROLLBACK; a statement before it
    // makes that an error.
    last_ += "; COMMIT";
    OMNIBUS_FAILPOINT("unit.commit");
    try {
      direct_exec(last_);
      OMNIBUS_FAILPOINT("unit.committed");
    } catch (std::exception const& error) {
      if (conn().is_open() && !ended_by_server(error)) {
        roll_back();
        throw;
      }
      throw pqxx::in_doubt_error{std::string{"connection lost during COMMIT: "} + error.what()};
    }
  }

  /// The COMMIT after a failed statement was never run, but pqxx, which sent it, counts the transaction
  /// as ended: the connection's next user would be in a failed one.
  void roll_back() noexcept {
    try {
      direct_exec("ROLLBACK");
    } catch (std::exception const&) {  // then it is broken, which its next user notices
    }
  }

  std::string last_;
};

void append_uuid(std::string& sql, Uuid const& uuid) {
  sql += '\'';
  sql += to_string(uuid);
  sql += '\'';
}

std::int64_t next_block(pqxx::transaction_base& transaction) {
  return transaction.exec("SELECT nextval('pipeline.outbox_id')").one_field().as<std::int64_t>();
}

/// Numbers the rows of one transaction.
class OutboxIds {
 public:
  OutboxIds(pqxx::transaction_base& transaction, std::int64_t first) : transaction_{transaction}, next_{first} {}

  std::vector<OutboxRow> number(std::vector<kafka::Record> records) {
    std::vector<OutboxRow> rows;
    rows.reserve(records.size());
    for (auto& record : records) {
      if (left_ == 0) {
        next_ = next_block(transaction_);
        left_ = ids_per_block;
      }
      rows.push_back({next_++, std::move(record)});
      --left_;
    }
    return rows;
  }

 private:
  pqxx::transaction_base& transaction_;
  std::int64_t next_;
  std::int64_t left_ = ids_per_block;
};

/// The statement that ends a transaction: writes these rows, where there are any.
std::string last_statement(pqxx::connection const& connection, std::span<OutboxRows const> groups) {
  auto const none = std::all_of(groups.begin(), groups.end(), [](OutboxRows const& each) { return each.rows.empty(); });
  return none || OMNIBUS_MUTATED("outbox") ? "SELECT" : outbox_insert(connection, groups);
}

/// The database's answer about an event, with the first of the outbox ids.
struct UnitAdmission {
  std::string verdict;
  std::int64_t first_outbox_id = 0;
};
BOOST_DESCRIBE_STRUCT(UnitAdmission, (), (verdict, first_outbox_id))

/// An event of a batch that is new; absent when a claim has been lost.
struct BatchAdmission {
  std::optional<Uuid> event_id;
  std::int64_t first_outbox_id = 0;
};
BOOST_DESCRIBE_STRUCT(BatchAdmission, (), (event_id, first_outbox_id))

/// The outcome of a unit with this admission.
CommitOutcome outcome_of(std::string_view verdict) {
  if (verdict == "new") return CommitOutcome::committed;
  return verdict == "fenced" ? CommitOutcome::fenced : CommitOutcome::duplicate;
}

OutboxSource source_of(AdmitKey const& key) {
  return {key.consumer, key.topic, key.partition};
}

/// '{...}' of values that need no quotes within.
template <class Units, class Get>
void append_array(std::string& sql, Units const& units, Get get) {
  sql += "'{";
  for (auto const& unit : units) {
    if (&unit != &units.front()) sql += ',';
    sql += get(unit);
  }
  sql += "}'";
}

}  // namespace

CommitResult run_unit(pqxx::connection& connection, AdmitKey const& key, std::function<void(OpenUnit&)> const& work,
                      std::vector<OutboxRow>* attempted) {
  AdmittedTransaction transaction{connection};
  std::string sql = "SELECT pipeline.admit(";
  sql += connection.quote(key.consumer);
  sql += ',';
  append_uuid(sql, key.run_id);
  sql += ',';
  append_uuid(sql, OMNIBUS_MUTATED("inbox") ? random_uuid() : key.event_id);
  sql += ',';
  sql += connection.quote(key.topic);
  sql += ',' + std::to_string(key.partition) + ',' + std::to_string(key.epoch) +
         ") AS verdict, nextval('pipeline.outbox_id') AS first_outbox_id";
  auto const admission = read_one<UnitAdmission>(transaction.begin(sql));
  auto const outcome = outcome_of(admission.verdict);
  if (outcome != CommitOutcome::committed) {
    transaction.abort();
    return {outcome, {}};
  }

  std::vector<OutboxRow> own;
  auto& rows = attempted != nullptr ? *attempted : own;
  rows.clear();
  OMNIBUS_FAILPOINT("unit.admitted");
  Gathered gathered;
  OpenUnit unit{transaction, gathered};
  work(unit);
  gathered.write(transaction);
  OutboxIds ids{transaction, admission.first_outbox_id};
  rows = ids.number(std::move(unit.records()));
  OutboxRows const written{source_of(key), rows};
  transaction.commit_with(last_statement(connection, std::span{&written, 1}));
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
  for (std::size_t i = 0; i < units.size(); ++i) {
    results[i].outcome = outcome_of(admissions.at(i).verdict);
    if (results[i].outcome != CommitOutcome::committed) continue;
    auto& mine = admitted.emplace_back(transaction, gathered, *units[i], results[i]);
    mine.unit.work(mine.open);
  }
  if (admitted.empty()) {
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
  transaction.commit_with(last_statement(connection, written));
  for (auto& mine : admitted) mine.result.published = std::move(mine.rows);
  return results;
}

CommitResult run_batch_unit(pqxx::connection& connection, BatchKey const& key,
                            std::function<void(OpenUnit&, std::vector<bool> const& is_new)> const& work) {
  if (key.claims.empty()) throw std::invalid_argument("a batch needs at least one claim");
  std::vector<std::string> topics;
  std::vector<std::int32_t> partitions;
  std::vector<std::int64_t> epochs;
  for (auto const& claim : key.claims) {
    topics.push_back(claim.topic);
    partitions.push_back(claim.partition);
    epochs.push_back(claim.epoch);
  }
  AdmittedTransaction transaction{connection};
  std::string sql =
      "SELECT event_id, (SELECT nextval('pipeline.outbox_id')) AS first_outbox_id FROM pipeline.admit_all(";
  sql += connection.quote(key.consumer);
  sql += ',';
  append_uuid(sql, key.run_id);
  sql += ',';
  append_array(sql, key.event_ids,
               [](Uuid const& id) { return to_string(OMNIBUS_MUTATED("inbox") ? random_uuid() : id); });
  sql += ',';
  sql += connection.quote(topics);
  sql += ',';
  sql += connection.quote(partitions);
  sql += ',';
  sql += connection.quote(epochs);
  sql += ") AS event_id";
  auto const admissions = read<BatchAdmission>(transaction.begin(sql));
  auto const fenced = !admissions.empty() && !admissions.front().event_id;
  if (fenced || (admissions.empty() && key.inbox)) {
    transaction.abort();
    return {fenced ? CommitOutcome::fenced : CommitOutcome::duplicate, {}};
  }

  std::unordered_set<Uuid> admitted;
  for (auto const& admission : admissions) admitted.insert(admission.event_id.value());
  std::vector<bool> is_new(key.event_ids.size());
  // erase(): of an id that repeats only the first is new.
  for (std::size_t i = 0; i < is_new.size(); ++i)
    is_new[i] = admitted.erase(key.event_ids[i]) > 0 || OMNIBUS_MUTATED("inbox");

  OMNIBUS_FAILPOINT("unit.admitted");
  Gathered gathered;
  OpenUnit unit{transaction, gathered};
  work(unit, is_new);
  gathered.write(transaction);
  std::int64_t first_id = 0;
  if (!admissions.empty())
    first_id = admissions.front().first_outbox_id;
  else if (!unit.records().empty())
    first_id = next_block(transaction);
  OutboxIds outbox_ids{transaction, first_id};
  auto rows = outbox_ids.number(std::move(unit.records()));
  OutboxRows const written{{key.consumer, key.claims[0].topic, key.claims[0].partition}, rows};
  transaction.commit_with(last_statement(connection, std::span{&written, 1}));
  return {CommitOutcome::committed, std::move(rows)};
}

}  // namespace omnibus::postgres
