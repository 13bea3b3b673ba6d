/// One short transaction per event: the inbox row, the business rows and the outbox rows, or nothing.
#pragma once

#include "kafka/record.hpp"
#include "postgres/gathered.hpp"
#include "postgres/outbox.hpp"
#include "uuid/uuid.hpp"

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace pqxx {
class connection;
class transaction_base;
}  // namespace pqxx

namespace omnibus::postgres {

/// Which event is processed by whom, and by what right: the epoch that take_over() gave for its partition.
struct AdmitKey {
  std::string consumer;
  Uuid run_id;  ///< Nil, except in a replay: each run has an inbox of its own.
  Uuid event_id;
  std::string topic;
  std::int32_t partition = 0;
  std::int64_t epoch = 0;
};

/// How a unit of work ended.
enum class CommitOutcome {
  committed,  ///< Everything was written.
  duplicate,  ///< The event had been processed before; nothing was written and the work did not run.
  fenced,     ///< The partition belongs to another worker now; nothing was written and the work did not run.
};

/// How a unit of work ended, and the records to publish now if it was committed.
struct CommitResult {
  CommitOutcome outcome = CommitOutcome::duplicate;
  std::vector<OutboxRow> published;  ///< In the order of publish(). Remove the rows once the broker has them.
};

/// What business code sees of an open transaction. Lives until that is committed or rolled back; never keep it.
class OpenUnit {
 public:
  /// `gathered` is shared by all units of the transaction.
  OpenUnit(pqxx::transaction_base& transaction, Gathered& gathered) : transaction_(transaction), gathered_(gathered) {}
  OpenUnit(OpenUnit const&) = delete;
  OpenUnit& operator=(OpenUnit const&) = delete;

  /// For the business rows. Never commit or abort it.
  pqxx::transaction_base& transaction() { return transaction_; }

  /// What all units of the transaction want written in one statement, after the work of each.
  Gathered& gathered() { return gathered_; }

  /// Publishes a record if, and only if, this unit commits.
  void publish(kafka::Record record) { records_.push_back(std::move(record)); }

  /// What publish() has collected so far; run_unit() takes it.
  std::vector<kafka::Record>& records() { return records_; }

 private:
  pqxx::transaction_base& transaction_;
  Gathered& gathered_;
  std::vector<kafka::Record> records_;
};

/// Admits the event, runs `work` and commits it with the inbox row and the outbox rows: two round trips, plus what
/// `work` itself makes. An exception of `work` rolls everything back and comes out of here.
/// @throws pqxx::in_doubt_error when the connection was lost during COMMIT: run the same unit again, and either it was
/// not committed and is now, or the outcome is `duplicate` and what `attempted` has kept is in the outbox, to be
/// published. Else as libpqxx throws.
CommitResult run_unit(pqxx::connection& connection, AdmitKey const& key, std::function<void(OpenUnit&)> const& work,
                      std::vector<OutboxRow>* attempted = nullptr);

/// One event's unit of work, as run_unit() takes it.
struct Unit {
  AdmitKey key;
  std::function<void(OpenUnit&)> work;
  std::vector<OutboxRow>* attempted = nullptr;  ///< kept for a commit in doubt
};

/// Runs units of one consumer and run in one transaction, each by its own right and as run_unit() would, and commits
/// them together: results in the order given. Of units of one event the first is admitted. Locks are waited for only
/// briefly, so that a unit which has to wait for somebody else holds up no other: when that or anything else fails,
/// none of them is committed, and each is to be run by itself.
/// @throws as run_unit(), for all of them.
std::vector<CommitResult> run_units(pqxx::connection& connection, std::span<Unit const* const> units);

/// A partition that a batch has events of.
struct Claim {
  std::string topic;
  std::int32_t partition = 0;
  std::int64_t epoch = 0;
};

/// Events that are processed in one transaction.
struct BatchKey {
  std::string consumer;
  Uuid run_id;
  std::vector<Claim> claims;    ///< Every partition that has events in the batch, at least one.
  std::vector<Uuid> event_ids;  ///< May repeat: then only the first of them is new.
  /// Without, no event ids are given and no inbox rows written: the work recognises by itself what it has applied.
  bool inbox = true;
};

/// Admits a batch in one statement and commits `work` with the inbox and outbox rows. `work` is told for each of
/// `event_ids` whether it is new, and does not run when none is (`duplicate`) or one claim has been lost (`fenced`).
/// Outbox rows belong to the first claim.
/// @throws as run_unit()
CommitResult run_batch_unit(pqxx::connection& connection, BatchKey const& key,
                            std::function<void(OpenUnit&, std::vector<bool> const& is_new)> const& work);

}  // namespace omnibus::postgres

namespace omnibus {
using postgres::AdmitKey;
using postgres::CommitOutcome;
using postgres::CommitResult;
}  // namespace omnibus
