/// A person, as the tables know them.
#pragma once

#include "subjects/subjects.hpp"
#include "uuid/uuid.hpp"

#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace pqxx {
class connection;
class transaction_base;
}  // namespace pqxx

namespace omnibus::privacy {

/// The values of PROFILE_KEY_SECRET that keys may have been made with: the present one first.
using KeySecrets = std::vector<std::string>;

/// Everything that belongs to one person of a tenant, whatever identity they were named by.
struct KnownPerson {
  std::string domain;
  std::set<std::string> keys;             ///< subject keys, aliases included
  std::vector<Uuid> customers;            ///< that the identities were joined under
  std::vector<Uuid> profiles;             ///< rows of profiles
  std::vector<Uuid> sessions;             ///< of these profiles, on several channels
  std::vector<Uuid> conversations;        ///< rows of conversations
  std::vector<Uuid> users;                ///< rows of users
  std::vector<Uuid> principals;           ///< by whom they sign in: of these users, or of a person of the team
  std::vector<Uuid> matches;              ///< of these users, each with another person
  std::vector<Uuid> agent_conversations;  ///< of these matches
  std::vector<Uuid> outcomes;             ///< of these conversations
  std::vector<Uuid> deliveries;           ///< effect keys of messages to these profiles
  std::vector<Uuid> calls;                ///< the conversations under which models' work on their calls is counted

  bool empty() const {
    return customers.empty() && profiles.empty() && conversations.empty() && users.empty() && principals.empty();
  }
  /// The keys, and the aliases of what is shared with another person: whom records of the log may name.
  std::set<SubjectKey> log_keys() const;
};

/// Follows the links between identities until no new one is found. @throws what libpqxx throws
KnownPerson find_person(pqxx::transaction_base& transaction, KeySecrets const& secrets, std::string const& domain,
                        std::vector<std::string> const& named_keys);

/// Fills the subject keys that rows of the tenant's conversations and profiles lack, up to `most` of each.
/// @return how many. @throws what libpqxx throws
std::int64_t fill_subject_keys(pqxx::transaction_base& transaction, KeySecrets const& secrets,
                               std::string const& domain, std::int64_t most);

/// The same until none is left, in transactions of up to 1,000 rows of each.
std::int64_t fill_subject_keys(pqxx::connection& connection, KeySecrets const& secrets, std::string const& domain);

}  // namespace omnibus::privacy
