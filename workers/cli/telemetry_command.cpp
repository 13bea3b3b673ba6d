#include "events/time.hpp"
#include "json/encode.hpp"
#include "llm/prices.hpp"
#include "telemetry/report.hpp"
#include "workers/cli/commands.hpp"
#include "workers/cli/database.hpp"
#include "workers/cli/screen.hpp"
#include "workers/cli/telemetry_view.hpp"

#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>
#include <boost/describe/class.hpp>
#include <fmt/core.h>
#include <pqxx/pqxx>
#include <unistd.h>

namespace omnibus::cli {
namespace {

constexpr std::int64_t day_ms = 86'400'000;
constexpr std::int64_t most_days = 3'660;

struct Options {
  std::string database;
  std::optional<std::string> from, to, granularity, domain, model;
  Measure measure = Measure::calls;
  bool json = false;
  bool ascii = false;
  bool reprice = false;
  std::optional<std::int32_t> price_version;
  std::string before;
  std::string prices;
};

void show(Options const& options) {
  telemetry::QueryText text;
  text.from = options.from;
  text.to = options.to;
  text.granularity = options.granularity;
  text.domain = options.domain;
  text.model = options.model;
  telemetry::Query query;
  try {
    query = telemetry::read_query(text, wall_clock_ms());
  } catch (telemetry::InvalidQuery const& invalid) {
    throw std::runtime_error(fmt::format("--{}: {}", invalid.field, invalid.detail));
  }
  auto const connection = connect(options.database);
  pqxx::read_transaction transaction{*connection};
  auto const report = telemetry::read_report(transaction, query);
  if (options.json) return fmt::print("{}\n", json::encode(report));
  fmt::print("{}", view_of(report, options.measure, output_width(), options.ascii ? Ink::ascii : output_ink()));
}

/// What `rebuild --json` prints.
struct Rebuilt {
  std::int64_t days = 0;
  std::int64_t calls = 0;
  std::optional<std::int32_t> price_version;
};
BOOST_DESCRIBE_STRUCT(Rebuilt, (), (days, calls, price_version))

std::int64_t day_of(std::string_view option, std::string const& text) {
  auto const time = parse_time_or_date_ms(text);
  if (!time || *time < 0)
    throw std::runtime_error(fmt::format("--{}: '{}' is not a date such as 2026-11-20", option, text));
  return *time / day_ms;
}

/// Runs what changes something, which not every role may.
template <class Change>
void as_owner(Change const& change) {
  try {
    change();
  } catch (pqxx::insufficient_privilege const&) {
    throw std::runtime_error(
        "this role may not do that: set DATABASE_URL or --database to one of the database's owner (omnibus_owner, or a "
        "superuser)");
  }
}

std::string date_of(std::int64_t day) {
  return format_time_ms(day * day_ms).substr(0, 10);
}

/// The list of prices to compute costs by, if any.
std::optional<std::int32_t> price_list(pqxx::connection& connection, Options const& options) {
  if (!options.reprice && !options.price_version) return std::nullopt;
  pqxx::nontransaction query{connection};
  auto const found = query.exec(
      "SELECT price_version FROM pipeline.llm_prices WHERE $1::int IS NULL OR price_version = $1 "
      "ORDER BY price_version DESC LIMIT 1",
      pqxx::params{options.price_version});
  if (found.empty()) throw std::runtime_error("there is no such list of prices: see omnibus telemetry prices");
  return found[0][0].as<std::int32_t>();
}

void rebuild(Options const& options) {
  auto const first = day_of("from", *options.from);
  auto const last = day_of("to", *options.to);
  if (last < first) throw std::runtime_error("--to: it must not be before --from");
  if (last - first >= most_days) throw std::runtime_error(fmt::format("--from: more than {} days at once", most_days));
  auto const connection = connect(options.database);
  Rebuilt rebuilt;
  rebuilt.price_version = price_list(*connection, options);
  auto const is_terminal = isatty(STDERR_FILENO) != 0;
  for (auto day = first; day <= last; ++day) {
    // A transaction each: the worker waits for one day's sums at most.
    pqxx::work transaction{*connection};
    try {
      rebuilt.calls += transaction
                           .exec("SELECT pipeline.rebuild_telemetry($1::date, $2::int)",
                                 pqxx::params{date_of(day), rebuilt.price_version})
                           .one_field()
                           .as<std::int64_t>();
    } catch (pqxx::sql_error const& error) {
      if (error.sqlstate() != "22008") throw;
      throw std::runtime_error(fmt::format(
          "the calls of {} were dropped, so its sums stay as they are: begin with a later --from", date_of(day)));
    }
    transaction.commit();
    ++rebuilt.days;
    if (is_terminal)
      fmt::print(stderr, "\r{}: {} of {} days, {} calls ", date_of(day), rebuilt.days, last - first + 1, rebuilt.calls);
  }
  if (is_terminal) fmt::print(stderr, "\n");
  if (options.json) return fmt::print("{}\n", json::encode(rebuilt));
  fmt::print("{} summed anew, of {} day{}{}\n",
             with_separators(rebuilt.calls) + (rebuilt.calls == 1 ? " call" : " calls"), rebuilt.days,
             rebuilt.days == 1 ? "" : "s",
             rebuilt.price_version ? fmt::format(", with prices of version {}", *rebuilt.price_version) : "");
}

void drop(Options const& options) {
  auto const day = day_of("before", options.before);
  auto const connection = connect(options.database);
  pqxx::work transaction{*connection};
  try {
    auto const dropped = transaction.exec("SELECT pipeline.drop_telemetry_before($1::date)", pqxx::params{date_of(day)})
                             .one_field()
                             .as<int>();
    transaction.commit();
    fmt::print("{} day{} dropped; their sums stay\n", dropped, dropped == 1 ? "" : "s");
  } catch (pqxx::sql_error const& error) {
    if (error.sqlstate() != "22023") throw;
    throw std::runtime_error("--before: the calls of today are still coming, so today is the latest");
  }
}

void list_prices(Options const& options) {
  auto const connection = connect(options.database);
  pqxx::nontransaction query{*connection};
  auto const rows = query.exec(
      "SELECT price_version, model, CASE WHEN isfinite(valid_from) THEN to_char(valid_from AT TIME ZONE 'UTC', "
      "'YYYY-MM-DD') ELSE "
      "'always' END, trim_scale(input_usd), trim_scale(cached_input_usd), trim_scale(output_usd) FROM "
      "pipeline.llm_prices WHERE "
      "price_version = coalesce($1::int, (SELECT max(price_version) FROM pipeline.llm_prices)) ORDER BY model, "
      "valid_from",
      pqxx::params{options.price_version});
  for (auto const& [version, model, from, input, cached, output] :
       rows.iter<std::int32_t, std::string, std::string, std::string, std::string, std::string>())
    fmt::print("{} {} {} {}/{}/{}\n", version, model, from, input, cached, output);
}

std::string dollars_of(std::int64_t micro) {
  return fmt::format("{}.{:06}", micro / 1'000'000, micro % 1'000'000);
}

void add_prices(Options const& options) {
  // As the list is kept: all of the newest one, and what is new of it.
  llm::PriceTable table;
  try {
    table = llm::PriceTable::parse(options.prices);
  } catch (std::invalid_argument const& error) {
    throw std::runtime_error(error.what());
  }
  auto const from = date_of(day_of("from", *options.from));
  auto const connection = connect(options.database);
  pqxx::work transaction{*connection};
  transaction.exec("LOCK TABLE pipeline.llm_prices IN SHARE ROW EXCLUSIVE MODE");
  auto const version = transaction.query_value<std::int32_t>(
      "WITH n AS (SELECT max(price_version) AS newest FROM pipeline.llm_prices), copied AS (INSERT INTO "
      "pipeline.llm_prices "
      "SELECT newest + 1, model, valid_from, input_usd, cached_input_usd, output_usd FROM pipeline.llm_prices, n "
      "WHERE price_version = newest) SELECT newest + 1 FROM n");
  for (std::string_view left{options.prices}; !left.empty();) {
    auto const entry = left.substr(0, left.find(','));
    left.remove_prefix(std::min(entry.size() + 1, left.size()));
    auto const model = std::string{entry.substr(0, entry.find('='))};
    auto const price = table.find(model).value();
    transaction.exec(
        "INSERT INTO pipeline.llm_prices VALUES ($1, $2, $3::date::timestamp AT TIME ZONE 'UTC', $4::numeric, "
        "$5::numeric, "
        "$6::numeric) ON CONFLICT (price_version, model, valid_from) DO UPDATE SET input_usd = excluded.input_usd, "
        "cached_input_usd = excluded.cached_input_usd, output_usd = excluded.output_usd",
        pqxx::params{version, model, from, dollars_of(price.input), dollars_of(price.cached_input),
                     dollars_of(price.output)});
  }
  transaction.commit();
  fmt::print("version {}\n", version);
}

void add_rebuild(CLI::App& command, std::shared_ptr<Options> const& options) {
  auto* const rebuild_command = command.add_subcommand("rebuild", "Compute sums anew from the calls, day by day (UTC)");
  add_database_option(*rebuild_command, options->database);
  rebuild_command->add_option("--from", options->from, "The first day, as 2026-11-20")->required();
  rebuild_command->add_option("--to", options->to, "The last day")->required();
  rebuild_command->add_flag("--reprice", options->reprice,
                            "Compute the cost of each call first, by the newest list of prices");
  rebuild_command->add_option("--price-version", options->price_version, "By this list");
  rebuild_command->add_flag("--json", options->json, "Print one JSON object");
  rebuild_command->footer(
      "It may run while workers do. A call whose model has no price keeps the cost that it came with.");
  rebuild_command->callback([options] { as_owner([&] { rebuild(*options); }); });
}

void add_prices_command(CLI::App& command, std::shared_ptr<Options> const& options) {
  auto* const prices = command.add_subcommand(
      "prices", "The newest list of prices: version, model, from when, and dollars per million tokens in/cached/out");
  add_database_option(*prices, options->database);
  prices->add_option("--price-version", options->price_version, "This list");
  auto* const add = prices->add_subcommand("add", "Make a new list: the newest with these prices");
  add_database_option(*add, options->database);
  add->add_option("prices", options->prices, "model=in/cached/out,... in dollars per million tokens")->required();
  add->add_option("--from", options->from, "The day from which they hold")->required();
  add->callback([options] { as_owner([&] { add_prices(*options); }); });
  prices->callback([prices, options] {
    if (prices->get_subcommands().empty()) list_prices(*options);
  });
}

}  // namespace

void add_telemetry_command(CLI::App& application, int&) {
  auto const options = std::make_shared<Options>();
  auto* const command = application.add_subcommand(
      "telemetry", "What calls of models took: tokens, cost, latency, with a chart of the trend");
  add_database_option(*command, options->database);
  command->add_option("--from", options->from,
                      "A time such as 2026-11-20T12:00:00Z, or a date; by default a day before --to");
  command->add_option("--to", options->to, "The end, itself not included; by default now");
  command->add_option("--granularity", options->granularity, "15m, 1h or 1d; by default 1h");
  command->add_option("--domain", options->domain, "Of this tenant only");
  command->add_option("--model", options->model, "Of this model only, as it was asked for");
  static std::map<std::string, Measure> const measures{{"calls", Measure::calls},
                                                       {"errors", Measure::errors},
                                                       {"tokens", Measure::tokens},
                                                       {"cost", Measure::cost},
                                                       {"p95", Measure::p95}};
  command->add_option("--chart", options->measure, "What the chart shows: calls, errors, tokens, cost or p95")
      ->transform(CLI::CheckedTransformer(measures).description(""));
  command->add_flag("--ascii", options->ascii, "Draw without Unicode");
  command->add_flag("--json", options->json, "Print one JSON object, as GET /v1/telemetry answers");
  add_rebuild(*command, options);
  add_prices_command(*command, options);
  auto* const drop_command = command->add_subcommand("drop", "Forget the calls of old days; their sums stay");
  add_database_option(*drop_command, options->database);
  drop_command->add_option("--before", options->before, "The first day to keep, as 2026-11-20")->required();
  drop_command->callback([options] { as_owner([&] { drop(*options); }); });
  command->callback([command, options] {
    if (command->get_subcommands().empty()) show(*options);
  });
}

}  // namespace omnibus::cli
