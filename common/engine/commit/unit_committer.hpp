/// Commits units of work. Concurrent units share a transaction.
#pragma once

#include "concurrency/task.hpp"
#include "postgres/group_commit.hpp"
#include "postgres/pool.hpp"
#include "postgres/unit.hpp"

#include <cstdint>
#include <optional>

#include <boost/asio/io_context.hpp>

namespace omnibus::engine {

/// At low load each unit commits alone. Units that arrive during a commit share the next transaction, and under load
/// also its cost. If a shared transaction fails, each unit is tried alone: one event cannot fail another.
/// Use it on the event loop only; it must outlive its callers.
class UnitCommitter {
 public:
  UnitCommitter(boost::asio::io_context& loop, postgres::TransactionPool& pool);

  /// Commits it, alone or together with others.
  /// @param submitter see postgres::GroupCommit::submit()
  /// @throws as postgres::run_unit().
  Task<postgres::CommitResult> commit(postgres::Unit const& unit, std::uint64_t submitter);
  /// Commits it in a separate transaction, for a unit that failed before and may fail again.
  Task<postgres::CommitResult> commit_alone(postgres::Unit const& unit);

 private:
  postgres::TransactionPool& pool_;
  postgres::GroupCommit<postgres::Unit const*, std::optional<postgres::CommitResult>> together_;
};

}  // namespace omnibus::engine
