#include "postgres/rows.hpp"
#include "workers/cli/database/database.hpp"
#include "workers/cli/gdpr/audited_opener.hpp"
#include "workers/cli/gdpr/gdpr_commands.hpp"
#include "workers/cli/gdpr/privacy.hpp"
#include "workers/cli/matching/matching.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#include <CLI/CLI.hpp>
#include <boost/describe/class.hpp>
#include <fmt/format.h>
#include <pqxx/pqxx>

namespace omnibus::cli {
namespace {

/// What became of a join.
struct UndoneLink {
  std::optional<std::string> domain;  ///< absent: there is no such link
  std::int64_t open_requests = 0;     ///< above 0 nothing was done
  std::int64_t ended_requests = 0;
};
BOOST_DESCRIBE_STRUCT(UndoneLink, (), (domain, open_requests, ended_requests))

void unlink(PrivacyOptions const& options) {
  auto const id = read_id("the id", options.id);
  UndoneLink undone;
  with_privacy(options, [&](pqxx::transaction_base& transaction) {
    undone = postgres::read_one<UndoneLink>(transaction,
                                            "SELECT domain, COALESCE(open_requests, 0) AS open_requests, "
                                            "COALESCE(ended_requests, 0) AS ended_requests FROM "
                                            "undo_identity_link($1::uuid, $2)",
                                            pqxx::params{to_string(id), audit_actor()});
  });
  if (!undone.domain)
    throw std::runtime_error("there is no such link: omnibus gdpr export --dry-run shows those of a person");
  if (undone.open_requests > 0)
    throw std::runtime_error(
        fmt::format("{} requests about these identities are open: let them end first, omnibus gdpr requests shows them",
                    undone.open_requests));
  fmt::print("{} is no longer joined\n", to_string(id));
  if (undone.ended_requests > 0)
    fmt::print("{} held deletions named it and have failed: ask for them again\n", undone.ended_requests);
}

}  // namespace

void add_gdpr_unlink_command(CLI::App& gdpr) {
  auto const options = std::make_shared<PrivacyOptions>();
  auto* const command = gdpr.add_subcommand(
      "unlink", "Undo a join: requests about the one person no longer concern the other; needs the role admin");
  add_database_option(*command, options->database);
  command->add_option("id", options->id, "The link, as export --dry-run and delete --dry-run show it")->required();
  run_on(*command, [options] { unlink(*options); });
}

}  // namespace omnibus::cli
