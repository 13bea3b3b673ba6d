#include "postgres/admission.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace omnibus::postgres {
namespace {

/// As many rows take the server less time by COPY, the round trip of its own included.
constexpr std::size_t rows_for_copy = 16;

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

std::string write_outbox(pqxx::transaction_base& transaction, std::span<OutboxRows const> groups) {
  std::size_t rows = 0;
  for (auto const& group : groups) rows += group.rows.size();
  if (rows == 0 || OMNIBUS_MUTATED("outbox")) return std::string{no_statement};
  if (rows < rows_for_copy) return outbox_insert(transaction.conn(), groups);
  outbox_copy(transaction, groups);
  return std::string{no_statement};
}

void append_uuid(std::string& sql, Uuid const& uuid) {
  sql += '\'';
  sql += to_string(uuid);
  sql += '\'';
}

void append_about(std::string& sql, pqxx::connection const& connection, std::span<std::string const> names,
                  std::span<About const* const> about) {
  struct Row {
    std::string subject;
    std::size_t event;
  };
  std::vector<Row> rows;
  for (std::size_t i = 0; i < about.size(); ++i)
    for (auto& subject : about[i]->keys()) rows.push_back({std::move(subject), i});
  if (rows.empty() || OMNIBUS_MUTATED("erased")) return;
  std::ranges::sort(rows, {}, &Row::subject);  // the order of the locks, in every transaction
  std::vector<std::string> topics;
  topics.reserve(rows.size());
  for (auto const& row : rows) topics.push_back(about[row.event]->topic);
  sql += ',';
  append_array(sql, rows, [&](Row const& row) { return names[row.event]; });
  sql += ',';
  append_array(sql, rows, [](Row const& row) { return row.subject; });
  sql += ',';
  sql += connection.quote(topics);
  sql += ',';
  append_array(sql, rows, [&](Row const& row) { return std::to_string(about[row.event]->partition); });
  sql += ',';
  append_array(sql, rows, [&](Row const& row) { return std::to_string(about[row.event]->offset); });
}

}  // namespace omnibus::postgres
