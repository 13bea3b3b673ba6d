/// The keys in PostgreSQL, wrapped.
#pragma once

#include "sealing/master_keys.hpp"
#include "sealing/subject_cipher.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pqxx {
class connection;
class transaction_base;
}  // namespace pqxx

namespace omnibus::sealing {

/// A row of pipeline.subject_keys.
struct StoredKey {
  Uuid key_id;
  SubjectKey subject;
  std::string domain;
  std::optional<WrappedKey> wrapped;  ///< nothing once it was destroyed
};

/// Those of these keys that there are.
std::vector<StoredKey> read_keys(pqxx::transaction_base& transaction, std::vector<Uuid> const& ids);

/// A person's key, and whether it exists whatever becomes of this transaction.
struct TakenKey {
  SubjectCipher cipher;
  bool committed = false;
};

/// The person's key, made in this transaction if there is none. Two that make one at once get the same.
/// @throws KeyUnavailable when it cannot be wrapped or unwrapped.
TakenKey take_key(pqxx::transaction_base& transaction, MasterKeys const& masters, SubjectKey const& subject,
                  std::string_view domain);

/// @throws KeyUnavailable naming the key when its master key is missing here, or the row was changed.
SubjectCipher unwrap(MasterKeys const& masters, StoredKey const& stored);

/// The tenants whose log is sealed.
std::vector<std::string> sealed_tenants(pqxx::transaction_base& transaction);

/// Persons whose erasure changed within the last seconds.
std::vector<SubjectKey> newly_erased(pqxx::transaction_base& transaction);

/// The id of a master key that wraps keys and is none of these; nothing when all keys can be opened.
std::optional<std::string> unknown_master_key(pqxx::transaction_base& transaction, MasterKeys const& masters);

/// Wraps keys again that another master key wraps, at most `most` of them, of ids above `after`. @return their number
/// by tenant, and the last id; nothing when there are none left. @throws KeyUnavailable for one that does not open.
struct RewrappedKeys {
  std::vector<std::string> domains;  ///< of each key
  Uuid last;
};
std::optional<RewrappedKeys> rewrap_keys(pqxx::transaction_base& transaction, MasterKeys const& masters,
                                         std::string const& from, std::optional<Uuid> const& after, int most);

/// Writes an operator's use of the keys into the audit.
/// @param action sealing.opened or sealing.rekeyed; @param payload a JSON object
void audit_sealing(pqxx::transaction_base& transaction, std::string_view domain, std::string_view actor,
                   std::string_view action, std::string_view payload);

}  // namespace omnibus::sealing
