/// The ledger of erasures as the topic gdpr.ledger has it, outside of the database.
#pragma once

#include "events/gdpr.hpp"
#include "kafka/client_settings.hpp"

#include <cstdint>
#include <string_view>
#include <vector>

namespace omnibus::ledger {

inline constexpr std::string_view ledger_topic = "gdpr.ledger";

/// What was read of it.
struct LedgerRead {
  bool found = true;                        ///< false: there is no such topic
  std::vector<GdprLedgerRecorded> entries;  ///< in the order of publication, each once
  std::int64_t unreadable = 0;              ///< records that are no entries
};

/// Reads the newest `most` records of the topic; all of them for 0. Blocks. @throws kafka::Error
LedgerRead read_ledger(kafka::ClientSettings const& settings, std::int64_t most);

}  // namespace omnibus::ledger
