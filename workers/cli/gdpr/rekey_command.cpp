#include "config/config.hpp"
#include "observability/log.hpp"
#include "sealing/key_store.hpp"
#include "workers/cli/database/database.hpp"
#include "workers/cli/gdpr/audited_opener.hpp"
#include "workers/cli/gdpr/gdpr_commands.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <pqxx/pqxx>

namespace omnibus::cli {
namespace {

constexpr int keys_per_transaction = 500;

sealing::MasterKeys both_master_keys() {
  sealing::MasterKeys keys{config::load<sealing::MasterKeySettings>()};
  if (keys.ids().size() < 2)
    throw std::runtime_error("set PII_MASTER_KEY to the new master key and PII_MASTER_KEY_PREVIOUS to the old one");
  return keys;
}

/// Goes on where an earlier run was interrupted: keys that are done are no longer the previous master key's. Each
/// transaction has the rows of its keys in the audit.
void rekey(std::string const& database) {
  auto const masters = both_master_keys();
  auto const previous = masters.ids()[1];
  auto const connection = connect(database);
  std::optional<Uuid> after;
  std::int64_t total = 0;
  for (;;) {
    pqxx::work transaction{*connection};
    auto const done = sealing::rewrap_keys(transaction, masters, previous, after, keys_per_transaction);
    if (!done) break;
    std::map<std::string, std::int64_t> keys_of;
    for (auto const& domain : done->domains) ++keys_of[domain];
    for (auto const& [domain, keys] : keys_of)
      sealing::audit_sealing(transaction, domain, audit_actor(), "sealing.rekeyed",
                             fmt::format(R"({{"keys":{}}})", keys));
    transaction.commit();
    after = done->last;
    total += static_cast<std::int64_t>(done->domains.size());
    fmt::print(stderr, "{} keys\n", total);
  }
  pqxx::nontransaction check{*connection};
  if (auto const unknown = sealing::unknown_master_key(check, masters))
    throw std::runtime_error(fmt::format(
        "{} keys are wrapped again; others need master key {}, which is neither of the two", total, *unknown));
  fmt::print("{} keys are wrapped by the new master key; PII_MASTER_KEY_PREVIOUS is no longer needed\n", total);
}

}  // namespace

void add_gdpr_rekey_command(CLI::App& gdpr) {
  auto const database = std::make_shared<std::string>();
  auto* const command = gdpr.add_subcommand(
      "rekey",
      "Wrap the keys of sealed fields with PII_MASTER_KEY that PII_MASTER_KEY_PREVIOUS wraps. First give both "
      "to all processes and restart them; take the previous one away when this has ended");
  add_operator_database_option(*command, *database);
  command->callback([database] {
    log::configure("omnibus", log::Level::off);  // errors are printed once, on stderr
    rekey(*database);
  });
}

}  // namespace omnibus::cli
