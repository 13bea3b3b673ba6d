/// What the kinds of units of work have in common. For the sources of this folder only.
#pragma once

#include "faults/failpoint.hpp"
#include "postgres/outbox.hpp"
#include "postgres/unit.hpp"
#include "uuid/uuid.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <pqxx/pqxx>

namespace omnibus::postgres {

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
  pqxx::result begin(std::string_view admission);
  /// Sends `last` and COMMIT as one message.
  void commit_with(std::string last);

 private:
  void do_commit() override;
  void roll_back() noexcept;

  std::string last_;
};

/// Numbers the outbox rows of one transaction. Ids come from the database in blocks, one block per admission.
class OutboxIds {
 public:
  OutboxIds(pqxx::transaction_base& transaction, std::int64_t first) : transaction_{transaction}, next_{first} {}

  std::vector<OutboxRow> number(std::vector<kafka::Record> records);

 private:
  /// The sequence's increment.
  static constexpr std::int64_t ids_per_block = 1024;

  pqxx::transaction_base& transaction_;
  std::int64_t next_;
  std::int64_t left_ = ids_per_block;
};

/// The first of a new block of outbox ids.
std::int64_t next_block(pqxx::transaction_base& transaction);

/// Writes these rows, if they are many. Otherwise the statement that it returns does, to be sent with the COMMIT.
std::string write_outbox(pqxx::transaction_base& transaction, std::span<OutboxRows const> groups);

/// The statement that ends a transaction without outbox rows.
inline constexpr std::string_view no_statement = "SELECT";

void append_uuid(std::string& sql, Uuid const& uuid);

/// '{...}' of values that need no quotes within.
template <class Values, class Get>
void append_array(std::string& sql, Values const& values, Get get) {
  sql += "'{";
  for (auto const& value : values) {
    if (&value != &values.front()) sql += ',';
    sql += get(value);
  }
  sql += "}'";
}

/// The arguments of an admission of many events about people; none when there are none.
/// @param names of the events, as the admission knows them; @param about in their order
void append_about(std::string& sql, pqxx::connection const& connection, std::span<std::string const> names,
                  std::span<About const* const> about);

}  // namespace omnibus::postgres
