/// What the commands about people's data have in common.
#pragma once

#include "privacy/archive_keys.hpp"
#include "privacy/identity.hpp"
#include "privacy/person.hpp"
#include "workers/cli/cluster_options.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
}
namespace pqxx {
class transaction_base;
}

namespace omnibus::cli {

/// The command line's values of one command of this folder.
struct PrivacyOptions {
  std::string database;
  ClusterOptions cluster;
  privacy::NamedIdentity identity;
  std::optional<std::string> domain, status, kind, from, to, actor, action, until;
  std::string region = "RW", reason = "subject_request", id;
  std::int64_t limit = 50, wait_s = 60;
  bool dry_run = false, json = false, csv = false, all = false;
};

/// `--phone`, `--whatsapp`, `--session`, `--user` and `--customer`, of which one is given, and `--region`.
void add_identity_options(CLI::App& command, PrivacyOptions& options);

/// What subject keys are made with, from the environment of the gateway. @throws std::runtime_error naming the setting
privacy::SubjectRules subject_rules(PrivacyOptions const& options, std::string domain);
privacy::KeySecrets key_secrets(privacy::SubjectRules const& rules);
/// The keys that open archives, as far as the environment has them.
privacy::ArchiveKeys archive_keys();

/// Runs `work` in a transaction that is committed. @throws std::runtime_error that names what to change when a right or
/// a table is missing, or an identity cannot be read.
void with_privacy(PrivacyOptions const& options, std::function<void(pqxx::transaction_base&)> const& work);

/// A row that stands for a person.
struct ShownIdentity {
  std::string kind;  ///< profile, conversation, user, principal or link
  std::string id;
  std::string known_by;  ///< a masked number, a session, a handle: for the operator's screen, stored nowhere
};
BOOST_DESCRIBE_STRUCT(ShownIdentity, (), (kind, id, known_by))

/// All that a request about this person would concern. @throws what libpqxx throws
std::vector<ShownIdentity> list_identities(pqxx::transaction_base& transaction, privacy::KnownPerson const& person);

}  // namespace omnibus::cli
