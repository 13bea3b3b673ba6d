#include "postgres/unit_of_work.hpp"

#include "faults/failpoint.hpp"

#include <algorithm>
#include <stdexcept>
#include <string_view>
#include <unordered_set>
#include <utility>

#include <pqxx/pqxx>

namespace omnibus::postgres {
namespace {

/// Outbox ids come from the database in blocks of this many, one block per admission (the sequence's increment).
constexpr std::int64_t ids_per_block = 1024;

/// Whether the server ended the session (SQLSTATE 57P0x): that may follow a COMMIT whose answer it hides.
bool ended_by_server(std::exception const& error) {
  auto const* const refused = dynamic_cast<pqxx::sql_error const*>(&error);
  return refused != nullptr && std::string_view{refused->sqlstate()}.starts_with("57P0");
}

/// A transaction whose BEGIN travels with the statement that admits the event, and whose COMMIT travels with the one
/// that writes the outbox.
class AdmittedTransaction final : public pqxx::dbtransaction {
 public:
  explicit AdmittedTransaction(pqxx::connection& connection) : pqxx::dbtransaction{connection} {
    register_transaction();
  }
  AdmittedTransaction(AdmittedTransaction const&) = delete;
  AdmittedTransaction& operator=(AdmittedTransaction const&) = delete;
  ~AdmittedTransaction() noexcept override { close(); }

  /// Sends BEGIN and `admission`, and returns what the latter did.
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
    // In a transaction that has failed COMMIT alone would be answered with a silent ROLLBACK; a statement before it
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

  /// The COMMIT behind a statement that failed was never run, and pqxx, which asked to commit, takes the transaction
  /// for ended: the connection's next user would stand in a failed one.
  void roll_back() noexcept {
    try {
      direct_exec("ROLLBACK");
    } catch (std::exception const&) {  // then it is broken, which its next user finds out
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

/// The statement that ends a unit and the rows it writes.
std::pair<std::string, std::vector<OutboxRow>> outbox_of(pqxx::transaction_base& transaction,
                                                         OutboxSource const& source, std::int64_t first_id,
                                                         std::vector<kafka::Record> records) {
  if (records.empty()) return {"SELECT", {}};
  std::vector<OutboxRow> rows;
  rows.reserve(records.size());
  auto id = first_id;
  auto left = ids_per_block;
  for (auto& record : records) {
    if (left == 0) {
      id = next_block(transaction);
      left = ids_per_block;
    }
    rows.push_back({id, std::move(record)});
    ++id;
    --left;
  }
  auto sql = OMNIBUS_MUTATED("outbox") ? "SELECT" : outbox_insert(transaction.conn(), source, rows);
  return {std::move(sql), std::move(rows)};
}

}  // namespace

CommitResult run_unit(pqxx::connection& connection, AdmitKey const& key, std::function<void(UnitOfWork&)> const& work,
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
  sql += ',' + std::to_string(key.partition) + ',' + std::to_string(key.epoch) + "), nextval('pipeline.outbox_id')";
  auto const admission = transaction.begin(sql);
  auto const verdict = admission.one_row()[0].view();
  if (verdict != "new") {
    transaction.abort();
    return {verdict == "fenced" ? CommitOutcome::fenced : CommitOutcome::duplicate, {}};
  }

  std::vector<OutboxRow> own;
  auto& rows = attempted != nullptr ? *attempted : own;
  rows.clear();
  OMNIBUS_FAILPOINT("unit.admitted");
  UnitOfWork unit{transaction};
  work(unit);
  auto [last, written] = outbox_of(transaction, {key.consumer, key.topic, key.partition},
                                   admission.one_row()[1].as<std::int64_t>(), std::move(unit.records()));
  rows = std::move(written);
  transaction.commit_with(std::move(last));
  return {CommitOutcome::committed, std::move(rows)};
}

CommitResult run_batch_unit(pqxx::connection& connection, BatchKey const& key,
                            std::function<void(UnitOfWork&, std::vector<bool> const& is_new)> const& work) {
  if (key.claims.empty()) throw std::invalid_argument("a batch needs at least one claim");
  std::vector<std::string> topics;
  std::vector<std::int32_t> partitions;
  std::vector<std::int64_t> epochs;
  for (auto const& claim : key.claims) {
    topics.push_back(claim.topic);
    partitions.push_back(claim.partition);
    epochs.push_back(claim.epoch);
  }
  std::string ids = "'{";
  for (auto const& id : key.event_ids) {
    if (ids.size() > 2) ids += ',';
    ids += to_string(OMNIBUS_MUTATED("inbox") ? random_uuid() : id);
  }
  ids += "}'";

  AdmittedTransaction transaction{connection};
  std::string sql = "SELECT event_id, (SELECT nextval('pipeline.outbox_id')) FROM pipeline.admit_all(";
  sql += connection.quote(key.consumer);
  sql += ',';
  append_uuid(sql, key.run_id);
  sql += ',';
  sql += ids;
  sql += ',';
  sql += connection.quote(topics);
  sql += ',';
  sql += connection.quote(partitions);
  sql += ',';
  sql += connection.quote(epochs);
  sql += ") AS event_id";
  auto const admission = transaction.begin(sql);
  auto const fenced = !admission.empty() && admission[0][0].is_null();
  if (fenced || (admission.empty() && key.inbox)) {
    transaction.abort();
    return {fenced ? CommitOutcome::fenced : CommitOutcome::duplicate, {}};
  }

  std::unordered_set<Uuid> admitted;
  for (auto const& row : admission) {
    if (auto const id = parse_uuid(row[0].view())) admitted.insert(*id);
  }
  std::vector<bool> is_new(key.event_ids.size());
  // erase(): of an id that repeats only the first is new.
  for (std::size_t i = 0; i < is_new.size(); ++i)
    is_new[i] = admitted.erase(key.event_ids[i]) > 0 || OMNIBUS_MUTATED("inbox");

  OMNIBUS_FAILPOINT("unit.admitted");
  UnitOfWork unit{transaction};
  work(unit, is_new);
  std::int64_t first_id = 0;
  if (!admission.empty())
    first_id = admission[0][1].as<std::int64_t>();
  else if (!unit.records().empty())
    first_id = next_block(transaction);
  auto [last, rows] = outbox_of(transaction, {key.consumer, key.claims[0].topic, key.claims[0].partition}, first_id,
                                std::move(unit.records()));
  transaction.commit_with(std::move(last));
  return {CommitOutcome::committed, std::move(rows)};
}

}  // namespace omnibus::postgres
