#include "workers/cli/telemetry/telemetry_command.hpp"

#include "json/encode.hpp"
#include "rollups/report.hpp"
#include "time/time.hpp"
#include "workers/cli/commands.hpp"
#include "workers/cli/database/database.hpp"
#include "workers/cli/terminal/screen.hpp"

#include <map>
#include <memory>
#include <stdexcept>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/core.h>
#include <pqxx/pqxx>

namespace omnibus::cli {
namespace {

void show(TelemetryOptions const& options) {
  rollups::QueryText text;
  text.from = options.from;
  text.to = options.to;
  text.granularity = options.granularity;
  text.domain = options.domain;
  text.model = options.model;
  rollups::Query query;
  try {
    query = rollups::read_query(text, wall_clock_ms());
  } catch (rollups::InvalidQuery const& invalid) {
    throw std::runtime_error(fmt::format("--{}: {}", invalid.field, invalid.detail));
  }
  auto const connection = connect(options.database);
  pqxx::read_transaction transaction{*connection};
  auto const report = rollups::read_report(transaction, query);
  if (options.json) return fmt::print("{}\n", json::encode(report));
  fmt::print("{}", view_of(report, options.measure, output_width(), options.ascii ? Ink::ascii : output_ink()));
}

/// Runs a command that changes data, for which a role may lack the right.
template <class Change>
void as_owner(Change const& change) {
  try {
    change();
  } catch (pqxx::insufficient_privilege const&) {
    throw std::runtime_error(
        "this role lacks the right: set DATABASE_URL or --database to the database's owner (omnibus_owner, or a "
        "superuser)");
  }
}

void add_rebuild(CLI::App& command, std::shared_ptr<TelemetryOptions> const& options) {
  auto* const rebuild_command =
      command.add_subcommand("rebuild", "Recompute aggregates from the calls, day by day (UTC)");
  add_database_option(*rebuild_command, options->database);
  rebuild_command->add_option("--from", options->from, "The first day, as 2026-11-20")->required();
  rebuild_command->add_option("--to", options->to, "The last day")->required();
  rebuild_command->add_flag("--reprice", options->reprice,
                            "Recompute the cost of each call first, by the newest price list");
  rebuild_command->add_option("--price-version", options->price_version, "Use this price list");
  rebuild_command->add_flag("--json", options->json, "Print one JSON object");
  rebuild_command->footer("It may run while workers run. A call whose model has no price keeps its original cost.");
  rebuild_command->callback([options] { as_owner([&] { rebuild_telemetry(*options); }); });
}

void add_prices_command(CLI::App& command, std::shared_ptr<TelemetryOptions> const& options) {
  auto* const prices = command.add_subcommand(
      "prices", "Show the newest price list: version, model, first day, and dollars per million tokens in/cached/out");
  add_database_option(*prices, options->database);
  prices->add_option("--price-version", options->price_version, "Show this list");
  auto* const add = prices->add_subcommand("add", "Create a new list: the newest one with these prices");
  add_database_option(*add, options->database);
  add->add_option("prices", options->prices, "model=in/cached/out,... in dollars per million tokens")->required();
  add->add_option("--from", options->from, "The day from which the prices apply")->required();
  add->callback([options] { as_owner([&] { add_prices(*options); }); });
  prices->callback([prices, options] {
    if (prices->get_subcommands().empty()) list_prices(*options);
  });
}

}  // namespace

void add_telemetry_command(CLI::App& application, int&) {
  auto const options = std::make_shared<TelemetryOptions>();
  auto* const command = application.add_subcommand(
      "telemetry", "Show tokens, cost and latency of model calls, with a chart of the trend");
  add_database_option(*command, options->database);
  command->add_option("--from", options->from,
                      "A time such as 2026-11-20T12:00:00Z, or a date; by default a day before --to");
  command->add_option("--to", options->to, "The end, exclusive; by default now");
  command->add_option("--granularity", options->granularity, "15m, 1h or 1d; by default 1h");
  command->add_option("--domain", options->domain, "Only this tenant");
  command->add_option("--model", options->model, "Only this model, as named in the request");
  static std::map<std::string, Measure> const measures{{"calls", Measure::calls},
                                                       {"errors", Measure::errors},
                                                       {"tokens", Measure::tokens},
                                                       {"cost", Measure::cost},
                                                       {"p95", Measure::p95}};
  command->add_option("--chart", options->measure, "The measure of the chart: calls, errors, tokens, cost or p95")
      ->transform(CLI::CheckedTransformer(measures).description(""));
  command->add_flag("--ascii", options->ascii, "Draw without Unicode");
  command->add_flag("--json", options->json, "Print one JSON object, as GET /v1/telemetry answers");
  add_rebuild(*command, options);
  add_prices_command(*command, options);
  auto* const drop_command = command->add_subcommand("drop", "Delete the calls of old days; their aggregates stay");
  add_database_option(*drop_command, options->database);
  drop_command->add_option("--before", options->before, "The first day to keep, as 2026-11-20")->required();
  drop_command->callback([options] { as_owner([&] { drop_telemetry(*options); }); });
  command->callback([command, options] {
    if (command->get_subcommands().empty()) show(*options);
  });
}

}  // namespace omnibus::cli
