/// One short transaction per event: the inbox row, the business rows and the outbox rows, or nothing.
#pragma once

#include "kafka/record.hpp"
#include "postgres/about.hpp"
#include "postgres/gathered.hpp"
#include "postgres/outbox.hpp"
#include "uuid/uuid.hpp"

#include <chrono>
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

/// An event, its worker, and the worker's right to it: the epoch that take_over() gave for its partition.
struct AdmitKey {
  std::string consumer;
  Uuid run_id;  ///< Nil, except in a replay: each run has a separate inbox.
  Uuid event_id;
  std::string topic;
  std::int32_t partition = 0;
  std::int64_t epoch = 0;
  About about{};
};

/// How a unit of work ended.
enum class CommitOutcome {
  committed,  ///< Everything was written.
  duplicate,  ///< The event had been processed before; nothing was written and the work did not run.
  fenced,     ///< The partition now belongs to another worker; nothing was written and the work did not run.
  erased,     ///< The event is about somebody who was erased; only the inbox row was written, the work did not run.
  erasing,    ///< Such an erasure is being done; nothing was written and the work did not run. Ask again later.
};

/// How a unit of work ended, and the records to publish now if it was committed.
struct CommitResult {
  CommitOutcome outcome = CommitOutcome::duplicate;
  std::vector<OutboxRow> published;  ///< In the order of publish(). Remove the rows once the broker has them.
  std::vector<Uuid> erased{};        ///< Of a batch: the events that are about somebody who was erased.
};

/// An open transaction, as business code sees it. Lives until the commit or rollback; do not keep it.
class OpenUnit {
 public:
  /// `gathered` is shared by all units of the transaction.
  OpenUnit(pqxx::transaction_base& transaction, Gathered& gathered) : transaction_(transaction), gathered_(gathered) {}
  OpenUnit(OpenUnit const&) = delete;
  OpenUnit& operator=(OpenUnit const&) = delete;

  /// For the business rows. Do not commit or abort it.
  pqxx::transaction_base& transaction() { return transaction_; }

  /// The writes that all units of the transaction make in one statement, after the work of each.
  Gathered& gathered() { return gathered_; }

  /// Publishes a record only if this unit commits.
  void publish(kafka::Record record) { records_.push_back(std::move(record)); }

  /// The records published so far; run_unit() takes them.
  std::vector<kafka::Record>& records() { return records_; }

 private:
  pqxx::transaction_base& transaction_;
  Gathered& gathered_;
  std::vector<kafka::Record> records_;
};

/// Admits the event, runs `work` and commits it with the inbox row and the outbox rows: two round trips, plus what
/// `work` itself makes. If `work` throws, everything is rolled back and the exception is passed on.
/// @throws pqxx::in_doubt_error when the connection was lost during COMMIT. Then run the same unit again: either it
/// commits now, or the outcome is `duplicate` and the rows in `attempted` are in the outbox and must be
/// published. Other exceptions are those of libpqxx.
/// @param lock_wait the longest wait for a lock; 0 for the session's
CommitResult run_unit(pqxx::connection& connection, AdmitKey const& key, std::function<void(OpenUnit&)> const& work,
                      std::vector<OutboxRow>* attempted = nullptr, std::chrono::milliseconds lock_wait = {});

/// One event's unit of work, as run_unit() takes it.
struct Unit {
  AdmitKey key;
  std::function<void(OpenUnit&)> work;
  std::vector<OutboxRow>* attempted = nullptr;  ///< filled for a commit in doubt
};

/// Runs units of one consumer and run in one transaction, each admitted separately as in run_unit(), and commits
/// them together: results in the order given. Of units of one event the first is admitted. Waits for locks are
/// short, so that a unit that must wait does not delay the others. If a wait or anything else fails,
/// none of them is committed; run each alone then.
/// @throws as run_unit(), for all of them.
std::vector<CommitResult> run_units(pqxx::connection& connection, std::span<Unit const* const> units);

/// A partition with events in a batch.
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
  /// If false, no event ids are given and no inbox rows written: the work itself detects repeated events.
  bool inbox = true;
  std::vector<About> about{};  ///< Of each event, in their order; or nothing, if they are about nobody.
};

/// Admits a batch in one statement and commits `work` with the inbox and outbox rows. `work` gets for each of
/// `event_ids` whether it is new; one about an erased person is not. It does not run when none is new (`duplicate`, or
/// `erased` if some of them are that), one claim is lost (`fenced`) or one event is about somebody whose erasure is
/// being done (`erasing`). Outbox rows belong to the first claim.
/// @throws as run_unit()
CommitResult run_batch_unit(pqxx::connection& connection, BatchKey const& key,
                            std::function<void(OpenUnit&, std::vector<bool> const& is_new)> const& work);

}  // namespace omnibus::postgres

namespace omnibus {
using postgres::AdmitKey;
using postgres::CommitOutcome;
using postgres::CommitResult;
}  // namespace omnibus
