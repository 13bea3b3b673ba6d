#include "json/encode.hpp"
#include "privacy/requests.hpp"
#include "workers/cli/database/database.hpp"
#include "workers/cli/gdpr/gdpr_commands.hpp"
#include "workers/cli/gdpr/privacy.hpp"
#include "workers/cli/matching/matching.hpp"
#include "workers/cli/terminal/terminal.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <pqxx/pqxx>

namespace omnibus::cli {
namespace {

using privacy::RequestKind;

/// What a dry run tells.
struct DryRun {
  std::string kind;
  std::vector<ShownIdentity> identities;
  std::optional<privacy::ShownRequest> request;
};
BOOST_DESCRIBE_STRUCT(DryRun, (), (kind, identities, request))

struct PlannedCommand {
  privacy::PlannedRequest request;
  std::string domain;
  std::vector<ShownIdentity> identities;
};

PlannedCommand plan(PrivacyOptions const& options, RequestKind kind) {
  std::optional<PlannedCommand> planned;
  with_privacy(options, [&](pqxx::transaction_base& transaction) {
    auto domain = find_tenant(transaction, options.domain);
    auto const rules = subject_rules(options, domain);
    if (is_of_another_tenant(transaction, domain, name_subject(rules, options.identity)))
      throw std::runtime_error("the person of this id belongs to another tenant");
    planned = PlannedCommand{
        plan_request(transaction, rules, options.identity, {kind, std::nullopt, options.reason, options.dry_run}),
        std::move(domain),
        {}};
    if (!options.dry_run) return;
    std::vector<std::string> keys = planned->request.identities;
    keys.push_back(planned->request.key);
    planned->identities =
        list_identities(transaction, privacy::find_person(transaction, key_secrets(rules), planned->domain, keys));
  });
  return *std::move(planned);
}

/// The request once it has ended, or as it is after the time to wait.
std::optional<privacy::ShownRequest> await_end(PrivacyOptions const& options, PlannedCommand const& planned) {
  auto const deadline = std::chrono::steady_clock::now() + std::chrono::seconds{options.wait_s};
  for (;;) {
    std::optional<privacy::ShownRequest> shown;
    with_privacy(options, [&](pqxx::transaction_base& transaction) {
      shown = privacy::read_request(transaction, planned.domain, planned.request.request_id);
    });
    auto const ended = shown && (shown->status == "completed" || shown->status == "failed" || shown->status == "held");
    if (ended || std::chrono::steady_clock::now() >= deadline) return shown;
    std::this_thread::sleep_for(std::chrono::milliseconds{200});
  }
}

void print_dry_run(DryRun const& run) {
  Table table{{"KIND", "ID", "KNOWN BY"}};
  for (auto const& each : run.identities) table.add({each.kind, each.id, printable(each.known_by)});
  fmt::print("{}", table.text());
  if (run.request && run.request->status == "completed")
    return fmt::print("would {}: {}\n", run.kind, run.request->counts.text);
  fmt::print("the counts are not there yet: is omnibus-gdpr running?\n");
}

void ask(PrivacyOptions const& options, RequestKind kind, int& exit_code) {
  auto const planned = plan(options, kind);
  if (!planned.request.runs) {
    EventPublisher publisher{options.cluster};
    publisher.publish({planned.request.type, planned.request.data, planned.request.key},
                      to_string(planned.request.request_id));
    publisher.finish();
  }
  auto const shown = await_end(options, planned);
  if (options.wait_s > 0 && (!shown || shown->status == "failed")) exit_code = 1;
  if (options.dry_run) {
    DryRun const run{kind == RequestKind::exporting ? "export" : "delete", planned.identities, shown};
    if (options.json) return fmt::print("{}\n", json::encode(run));
    return print_dry_run(run);
  }
  if (options.json && shown) return fmt::print("{}\n", json::encode(*shown));
  if (!shown)
    return fmt::print("{} is asked for; omnibus gdpr requests shows it\n", to_string(planned.request.request_id));
  fmt::print("{} {}{}\n", to_string(shown->id), shown->status,
             shown->found_nothing.value_or(false) ? ": nothing was found" : "");
}

void add_asking_command(CLI::App& gdpr, char const* name, char const* help, RequestKind kind, int& exit_code) {
  auto const options = std::make_shared<PrivacyOptions>();
  auto* const command = gdpr.add_subcommand(name, help);
  add_database_option(*command, options->database);
  add_cluster_options(*command, options->cluster);
  add_identity_options(*command, *options);
  command->add_option("--domain", options->domain, "The tenant; not needed when there is one");
  command->add_option("--reason", options->reason, "Why: one word of the list in the event's schema")
      ->capture_default_str();
  command->add_option("--wait", options->wait_s, "Seconds to wait for the end; 0: do not wait")
      ->check(CLI::Range(0, 3'600))
      ->capture_default_str();
  command->add_flag("--dry-run", options->dry_run, "Only list the joined identities and count; change nothing");
  command->add_flag("--json", options->json, "As JSON");
  command->footer(
      "Needs PROFILE_KEY_SECRET in its environment. Ends with 1 if the request failed or is not known yet.");
  run_on(*command, [options, kind, &exit_code] { ask(*options, kind, exit_code); });
}

}  // namespace

void add_request_commands(CLI::App& gdpr, int& exit_code) {
  add_asking_command(gdpr, "export", "Collect what is stored about a person; an admin fetches it over HTTP",
                     RequestKind::exporting, exit_code);
  add_asking_command(gdpr, "delete", "Erase a person", RequestKind::deletion, exit_code);
}

}  // namespace omnibus::cli
