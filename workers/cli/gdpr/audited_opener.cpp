#include "workers/cli/gdpr/audited_opener.hpp"

#include "config/config.hpp"
#include "sealing/key_store.hpp"
#include "workers/cli/database/database.hpp"

#include <algorithm>
#include <cstdlib>
#include <stdexcept>
#include <utility>

#include <pqxx/pqxx>

namespace omnibus::cli {
namespace {

constexpr std::size_t longest_user = 60;

sealing::MasterKeys required_master_keys() {
  sealing::MasterKeys keys{config::load<sealing::MasterKeySettings>()};
  if (!keys.usable()) throw std::runtime_error("set PII_MASTER_KEY to open sealed fields");
  return keys;
}

std::string operator_url(std::string const& database) {
  auto const* const url = std::getenv("OPERATOR_DATABASE_URL");
  return url != nullptr ? url : database;
}

}  // namespace

std::string audit_actor() {
  auto const name = actor();
  std::string user;
  for (auto const c : name.substr(0, std::min(name.find('@'), longest_user))) {
    auto const lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
    auto const kept = (lower >= 'a' && lower <= 'z') || (lower >= '0' && lower <= '9') || lower == '_';
    user += kept ? lower : '-';
  }
  return "operator:" + user;
}

AuditedOpener::AuditedOpener(std::string const& database, std::string use)
    : use_{std::move(use)}, connection_{connect(operator_url(database))}, sealer_{required_master_keys()} {}

AuditedOpener::~AuditedOpener() = default;

std::string AuditedOpener::open(EnvelopeView const& envelope, std::string_view data) {
  if (envelope.sealed.empty()) return std::string{data};
  sealing::OpenedEvent opened;
  try {
    opened = sealer_.open(envelope, data);
  } catch (sealing::KeysNeeded const& needed) {
    sealer_.load(*connection_, needed.ids);
    opened = sealer_.open(envelope, data);
  }
  audit(opened.domain);
  return std::move(opened.data);
}

void AuditedOpener::audit(std::string const& domain) {
  if (domain.empty() || audited_.contains(domain)) return;
  pqxx::work transaction{*connection_};
  sealing::audit_sealing(transaction, domain, audit_actor(), "sealing.opened", use_);
  transaction.commit();
  audited_.insert(domain);
}

}  // namespace omnibus::cli
