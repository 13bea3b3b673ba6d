/// Commits units of work, those that come together in one transaction.
#pragma once

#include "concurrency/task.hpp"
#include "postgres/group_commit.hpp"
#include "postgres/pool.hpp"
#include "postgres/unit.hpp"

#include <optional>

#include <boost/asio/io_context.hpp>

namespace omnibus::engine {

/// While few are at work each unit has a transaction of its own; what comes meanwhile shares the next one, so that
/// under load a commit's cost is shared, too. Whoever fails in company is tried alone: an event's failure is its own.
/// Belongs to the event loop, and must outlive those who commit.
class UnitCommitter {
 public:
  UnitCommitter(boost::asio::io_context& loop, postgres::TransactionPool& pool);

  /// Commits it, in company or alone. @throws as postgres::run_unit().
  Task<postgres::CommitResult> commit(postgres::Unit const& unit);
  /// The same in a transaction of its own: for one that failed before, and may do so again.
  Task<postgres::CommitResult> commit_alone(postgres::Unit const& unit);

 private:
  postgres::TransactionPool& pool_;
  postgres::GroupCommit<postgres::Unit const*, std::optional<postgres::CommitResult>> together_;
};

}  // namespace omnibus::engine
