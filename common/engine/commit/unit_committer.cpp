#include "engine/commit/unit_committer.hpp"

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include <pqxx/pqxx>

namespace omnibus::engine {
namespace {

constexpr std::size_t most_together = 64;
/// Meanwhile its session serves no other event.
constexpr std::chrono::seconds longest_lock_wait{1};

/// Transactions at once: enough to run one while another waits for the disk, and not so many that units no
/// longer share one, or that no session is left for reading.
std::size_t at_once(postgres::TransactionPool const& pool) {
  return std::max<std::size_t>(pool.size() / 2, 1);
}

/// Nothing for each of them if they must be tried one by one.
std::vector<std::optional<postgres::CommitResult>> commit_all(pqxx::connection& connection,
                                                              std::vector<postgres::Unit const*> const& units) {
  std::vector<std::optional<postgres::CommitResult>> results(units.size());
  if (units.size() == 1) {
    auto const& unit = *units.front();
    results.front() = postgres::run_unit(connection, unit.key, unit.work, unit.attempted, longest_lock_wait);
    return results;
  }
  try {
    std::ranges::move(postgres::run_units(connection, units), results.begin());
  } catch (pqxx::in_doubt_error const&) {
    throw;  // of them all
  } catch (...) {
    if (!connection.is_open()) throw;
  }
  return results;
}

}  // namespace

UnitCommitter::UnitCommitter(boost::asio::io_context& loop, postgres::TransactionPool& pool)
    : pool_{pool}, together_{loop, pool, commit_all, most_together, at_once(pool)} {}

Task<postgres::CommitResult> UnitCommitter::commit(postgres::Unit const& unit, std::uint64_t submitter) {
  auto submitting = together_.submit(&unit, submitter);
  auto result = co_await std::move(submitting);
  if (result) co_return *std::move(result);
  auto committing = commit_alone(unit);
  co_return co_await std::move(committing);
}

Task<postgres::CommitResult> UnitCommitter::commit_alone(postgres::Unit const& unit) {
  auto job = pool_.run([&unit](pqxx::connection& connection) {
    return postgres::run_unit(connection, unit.key, unit.work, unit.attempted, longest_lock_wait);
  });
  co_return co_await std::move(job);
}

}  // namespace omnibus::engine
