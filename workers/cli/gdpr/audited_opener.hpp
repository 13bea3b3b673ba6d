/// Opens sealed events for an operator, and says so in the audit.
#pragma once

#include "kafka/cloud_event.hpp"
#include "sealing/sealer.hpp"

#include <memory>
#include <set>
#include <string>
#include <string_view>

namespace omnibus::cli {

/// Opens with the keys of the database and PII_MASTER_KEY of the environment. Before the first text of a tenant is
/// returned, the audit has a row of this use.
class AuditedOpener {
 public:
  /// Connects as omnibus_operator: OPERATOR_DATABASE_URL, else `database`.
  /// @param use what is opened, as a JSON object of names and numbers, for the audit
  /// @throws std::runtime_error naming the setting to change.
  AuditedOpener(std::string const& database, std::string use);
  ~AuditedOpener();

  /// The data of an event, opened; of an event that is not sealed, as it is.
  /// @throws sealing::KeyDestroyed, sealing::KeyUnavailable, sealing::SealBroken
  std::string open(EnvelopeView const& envelope, std::string_view data);

 private:
  void audit(std::string const& domain);

  std::string use_;
  std::unique_ptr<pqxx::connection> connection_;
  sealing::Sealer sealer_;
  std::set<std::string> audited_;
};

/// The operator in the audit: `operator:USER`.
std::string audit_actor();

}  // namespace omnibus::cli
