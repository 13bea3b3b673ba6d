/// Brings a database that was restored from a backup to the state that the ledger of erasures tells.
#pragma once

#include "events/gdpr.hpp"
#include "ledger/ledger_topic.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace pqxx {
class transaction_base;
}

namespace omnibus::ledger {

/// What the database has forgotten.
struct ReapplyPlan {
  std::vector<GdprLedgerRecorded> entries;    ///< in their order
  std::map<std::string, std::int64_t> kinds;  ///< how many of each table
  std::vector<std::string> absent_tenants;    ///< of entries that need one; add them first
};

/// Compares the ledger with the database. Changes nothing. @throws what libpqxx throws
ReapplyPlan plan_reapply(pqxx::transaction_base& transaction, LedgerRead ledger);

/// Does again what the plan has: once the transaction is committed, admission refuses what is about the erased,
/// opt-outs and holds are in force and destroyed keys are destroyed. Rows of the erased are there still: see
/// open_erasures().
/// @param actor of the audit rows. @throws what libpqxx throws
void reapply(pqxx::transaction_base& transaction, ReapplyPlan const& plan, std::string_view actor);

/// The erasures that are to be done again and have not ended: publish them, and the gdpr worker deletes the rows. They
/// keep their ids, and so the positions that the ledger has: what came after the first erasure stays.
std::vector<GdprDeletionRequested> open_erasures(pqxx::transaction_base& transaction);

}  // namespace omnibus::ledger
