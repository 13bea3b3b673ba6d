/// Whether the work about people's data is done in time.
#pragma once

#include "privacy/archive_keys.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <boost/describe/class.hpp>

namespace pqxx {
class transaction_base;
}

namespace omnibus::cli {

/// What `omnibus monitor gdpr` reports.
struct PrivacyState {
  std::int64_t late_requests = 0;         ///< older than 24 hours and not ended; one under a hold is not late
  std::int64_t failed_requests = 0;       ///< of the last 30 days
  std::int64_t deletions_of_nothing = 0;  ///< completed within the last 30 days, and nothing was found
  std::optional<double> prune_age_days;   ///< since the audit log was pruned; missing: never
  bool prune_is_late = false;             ///< over 8 days
  std::int64_t unopened_archives = 0;     ///< whose key does not open with the master keys here
  std::int64_t unpublished_entries = 0;   ///< of the ledger of erasures, for over five minutes
  std::vector<std::string> alarms;
};
BOOST_DESCRIBE_STRUCT(PrivacyState, (),
                      (late_requests, failed_requests, deletions_of_nothing, prune_age_days, prune_is_late,
                       unopened_archives, unpublished_entries, alarms))

/// @throws what libpqxx throws
PrivacyState read_privacy_state(pqxx::transaction_base& transaction, privacy::ArchiveKeys const& keys);

}  // namespace omnibus::cli
