/// The archives of exports in PostgreSQL, as who fetches one meets them.
#pragma once

#include "privacy/archive_keys.hpp"
#include "uuid/uuid.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <boost/describe/class.hpp>

namespace pqxx {
class transaction_base;
}

namespace omnibus::privacy {

/// Whether an archive can be fetched.
enum class ArchiveState : std::uint8_t {
  unknown,  ///< no such request of the tenant, or it is no export
  pending,  ///< the export is not done, or has failed
  ready,
  settling,  ///< its last byte was sent a moment ago, and may not have arrived
  gone       ///< fetched, older than seven days, or erased
};

/// The archive of a request.
struct FoundArchive {
  ArchiveState state = ArchiveState::unknown;
  Uuid archive_id{};
  std::int64_t size = 0;   ///< bytes, opened
  std::string sha256_hex;  ///< of these
  WrappedKey key;
};

/// Each runs as the gateway, within one tenant, and @throws what libpqxx throws.

FoundArchive find_archive(pqxx::transaction_base& transaction, std::string_view domain, Uuid const& request_id);

/// Whether a principal of the tenant is an admin now, whatever its token's cache says.
bool is_admin_now(pqxx::transaction_base& transaction, Uuid const& principal);

/// A part as it is stored; nothing when it was removed meanwhile.
std::optional<std::string> read_archive_part(pqxx::transaction_base& transaction, Uuid const& archive_id,
                                             std::int64_t number);

/// Uses the archive up. False when that was done before.
bool use_archive(pqxx::transaction_base& transaction, Uuid const& request_id);
/// Takes that back: its last byte did not arrive.
void give_archive_back(pqxx::transaction_base& transaction, Uuid const& request_id);
/// Removes the bytes of an archive that was fetched.
void drop_archive_parts(pqxx::transaction_base& transaction, Uuid const& archive_id);

}  // namespace omnibus::privacy
