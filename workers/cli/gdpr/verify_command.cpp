#include "json/encode.hpp"
#include "observability/log.hpp"
#include "subjects/subjects.hpp"
#include "time/time.hpp"
#include "uuid/uuid.hpp"
#include "workers/cli/cluster_options.hpp"
#include "workers/cli/database/database.hpp"
#include "workers/cli/gdpr/gdpr_commands.hpp"
#include "workers/cli/gdpr/verify.hpp"
#include "workers/cli/terminal/terminal.hpp"

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <boost/describe/class.hpp>
#include <fmt/format.h>
#include <pqxx/pqxx>

namespace omnibus::cli {
namespace {

struct VerifyOptions {
  ClusterOptions cluster;
  std::string database;
  std::string canary;
  std::string subject;
  std::vector<std::string> logs;
  bool json = false;
};

/// The output with --json.
struct VerifyListing {
  std::vector<Trace> traces;
  std::int64_t wrong = 0;
};
BOOST_DESCRIBE_STRUCT(VerifyListing, (), (traces, wrong))

Sought sought_by(VerifyOptions const& options, pqxx::connection& database) {
  if (!options.canary.empty()) return {forms_of(options.canary), {}};
  if (!parse_subject_key(options.subject)) throw std::invalid_argument{"--subject takes 32 lower-case hex digits"};
  Sought sought{{}, keys_of_subject(database, options.subject)};
  for (auto const& key : sought.keys) {
    sought.forms.push_back({"raw", key});
    sought.forms.push_back({"raw", to_string(Uuid{parse_subject_key(key)->bytes})});
  }
  return sought;
}

void print(VerifyListing const& listing) {
  Table table{{"PLACE", "FORM", "COUNT", "STATE"}};
  for (auto const& each : listing.traces)
    table.add({each.place, each.form, std::to_string(each.count),
               each.until ? "erased, deleted by " + *each.until : "should not be there"});
  if (!listing.traces.empty()) fmt::print("{}", table.text());
  fmt::print("{} found, {} of them should not be there\n", listing.traces.size(), listing.wrong);
}

int verify(VerifyOptions const& options) {
  if (options.canary.empty() == options.subject.empty())
    throw std::invalid_argument{"give either --canary or --subject"};
  log::configure("omnibus-cli", log::Level::error);
  auto const database = connect(options.database);
  auto const sought = sought_by(options, *database);
  EndedErasures const erasures{*database};
  VerifyListing listing{search_tables(*database, sought)};
  auto const add = [&](std::vector<Trace> traces) { std::ranges::move(traces, std::back_inserter(listing.traces)); };
  add(search_topics(options.cluster.settings(), options.cluster.timeout(), sought, erasures, wall_clock_ms()));
  for (auto const& path : options.logs) add(search_file(path, sought));
  listing.wrong = std::ranges::count_if(listing.traces, [](Trace const& each) { return !each.until; });
  if (options.json)
    fmt::print("{}\n", json::encode(listing));
  else
    print(listing);
  return listing.wrong > 0 ? 1 : 0;
}

}  // namespace

void add_gdpr_verify_command(CLI::App& gdpr, int& exit_code) {
  auto* const command = gdpr.add_subcommand(
      "verify",
      "Look for what is left of a person in tables, topics and logs; exit code 1 when some should not be there");
  auto const options = std::make_shared<VerifyOptions>();
  add_cluster_options(*command, options->cluster);
  add_database_option(*command, options->database);
  command->add_option("--canary", options->canary, "Text to look for: as it is, and in JSON, base64 and hex");
  command->add_option("--subject", options->subject, "Subject key of the person");
  command->add_option("--logs", options->logs, "Files to look through as well");
  command->add_flag("--json", options->json, "Print JSON");
  command->callback([options, &exit_code] { exit_code = verify(*options); });
}

}  // namespace omnibus::cli
