#include "ledger/database_age.hpp"

#include "faults/failpoint.hpp"
#include "ledger/ledger_topic.hpp"
#include "observability/log.hpp"
#include "observability/log_output.hpp"
#include "postgres/rows.hpp"

#include <chrono>
#include <cstdint>
#include <exception>
#include <utility>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <pqxx/pqxx>

namespace omnibus::ledger {
namespace {

constexpr std::chrono::seconds look_interval{1};
constexpr std::chrono::seconds back_off{10};  // a broker that is away keeps a connection of the pool meanwhile
/// Entries are published in about the order of their commits: whatever a backup lacks, it lacks some of the newest.
constexpr std::int64_t newest_entries = 1'000;
constexpr std::string_view erasing_worker = "gdpr";
constexpr std::string_view what_to_do = "stop all workers and run omnibus gdpr reapply";

}  // namespace

std::vector<Uuid> missing_entries(pqxx::transaction_base& transaction, std::span<Uuid const> entries) {
  std::vector<std::string> ids;
  ids.reserve(entries.size());
  for (auto const& entry : entries) ids.push_back(to_string(entry));
  return postgres::read<Uuid>(transaction, "SELECT pipeline.ledger_missing($1::uuid[])", pqxx::params{ids});
}

DatabaseAge::DatabaseAge(kafka::ClientSettings client, std::string_view process)
    : client_{std::move(client)}, may_erase_{process == erasing_worker} {}

void DatabaseAge::compare(pqxx::transaction_base& transaction) const {
  auto const ledger = read_ledger(client_, newest_entries);
  if (!ledger.found) log::warn("there is no ledger of erasures: run omnibus topics apply", {{"topic", ledger_topic}});
  std::vector<Uuid> ids;
  ids.reserve(ledger.entries.size());
  for (auto const& entry : ledger.entries) ids.push_back(entry.entry_id);
  auto const missing = missing_entries(transaction, ids);
  if (!missing.empty())
    throw DatabaseIsOld{
        fmt::format("the database is older than the ledger of erasures: {} of the newest {} entries are not in it; {}",
                    missing.size(), ids.size(), what_to_do)};
  if (may_erase_) return;
  if (auto const open = transaction.query_value<std::int64_t>("SELECT pipeline.reapplied_erasures()"); open > 0)
    throw DatabaseIsOld{
        fmt::format("{} erasures are not done again yet since the database was restored: let omnibus-gdpr end them "
                    "first, omnibus gdpr requests shows them",
                    open)};
}

void DatabaseAge::check(pqxx::connection& connection) {
  if (OMNIBUS_MUTATED("database_age")) return;
  pqxx::nontransaction query{connection};
  if (!compared_) compare(query);
  compared_ = true;
  if (tip_ && !missing_entries(query, std::span{&*tip_, 1}).empty())
    throw DatabaseIsOld{fmt::format(
        "the database has become older than the ledger of erasures: it was replaced by an earlier state; {}",
        what_to_do)};
  auto const tip = postgres::read<std::optional<Uuid>>(query, "SELECT pipeline.ledger_tip()");
  if (!tip.empty() && tip.front()) tip_ = *tip.front();
}

Task<> watch(DatabaseAge& age, TransactionPool& pool) {
  boost::asio::steady_timer timer{co_await boost::asio::this_coro::executor};
  for (auto pause = look_interval;;) {
    timer.expires_after(std::exchange(pause, look_interval));
    auto wait = timer.async_wait(boost::asio::use_awaitable);
    co_await std::move(wait);
    try {
      auto checking = pool.run([&](pqxx::connection& connection) { age.check(connection); });
      co_await std::move(checking);
    } catch (DatabaseIsOld const&) {
      throw;
    } catch (std::exception const& error) {
      log::debug("the age of the database is not known", {{"reason", error.what()}});
      pause = back_off;
    }
  }
}

void leave(std::exception_ptr const& failed) {
  try {
    if (failed) std::rethrow_exception(failed);
  } catch (std::exception const& error) {
    log::error("the process cannot go on", {{"reason", error.what()}});
    log::leave(1);
  }
}

}  // namespace omnibus::ledger
