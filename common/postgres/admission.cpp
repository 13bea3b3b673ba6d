#include "postgres/admission.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace omnibus::postgres {
namespace {

/// Whether the server ended the session (SQLSTATE 57P0x): that may happen after a COMMIT and hide its answer.
bool ended_by_server(std::exception const& error) {
  auto const* const refused = dynamic_cast<pqxx::sql_error const*>(&error);
  return refused != nullptr && std::string_view{refused->sqlstate()}.starts_with("57P0");
}

}  // namespace

pqxx::result AdmittedTransaction::begin(std::string_view admission) {
  std::string sql = "BEGIN; ";
  sql += admission;
  return direct_exec(sql);
}

void AdmittedTransaction::commit_with(std::string last) {
  last_ = std::move(last);
  commit();
}

void AdmittedTransaction::do_commit() {
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
void AdmittedTransaction::roll_back() noexcept {
  try {
    direct_exec("ROLLBACK");
  } catch (std::exception const&) {  // then it is broken, which its next user notices
  }
}

std::vector<OutboxRow> OutboxIds::number(std::vector<kafka::Record> records) {
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

std::int64_t next_block(pqxx::transaction_base& transaction) {
  return transaction.exec("SELECT nextval('pipeline.outbox_id')").one_field().as<std::int64_t>();
}

std::string last_statement(pqxx::connection const& connection, std::span<OutboxRows const> groups) {
  auto const none = std::all_of(groups.begin(), groups.end(), [](OutboxRows const& each) { return each.rows.empty(); });
  return none || OMNIBUS_MUTATED("outbox") ? std::string{no_statement} : outbox_insert(connection, groups);
}

void append_uuid(std::string& sql, Uuid const& uuid) {
  sql += '\'';
  sql += to_string(uuid);
  sql += '\'';
}

void append_about(std::string& sql, pqxx::connection const& connection, std::span<std::string const> names,
                  std::span<About const* const> about) {
  std::vector<std::string> whose;
  std::vector<std::string> subjects;
  std::vector<std::string> topics;
  std::vector<std::string> partitions;
  std::vector<std::string> offsets;
  for (std::size_t i = 0; i < about.size(); ++i) {
    for (auto& subject : about[i]->keys()) {
      whose.push_back(names[i]);
      subjects.push_back(std::move(subject));
      topics.push_back(about[i]->topic);
      partitions.push_back(std::to_string(about[i]->partition));
      offsets.push_back(std::to_string(about[i]->offset));
    }
  }
  if (subjects.empty() || OMNIBUS_MUTATED("erased")) return;
  auto const as_it_is = [](std::string const& each) -> std::string const& { return each; };
  for (auto const* const column : {&whose, &subjects}) {
    sql += ',';
    append_array(sql, *column, as_it_is);
  }
  sql += ',';
  sql += connection.quote(topics);
  for (auto const* const column : {&partitions, &offsets}) {
    sql += ',';
    append_array(sql, *column, as_it_is);
  }
}

}  // namespace omnibus::postgres
