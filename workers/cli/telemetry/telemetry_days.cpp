#include "json/encode.hpp"
#include "postgres/rows.hpp"
#include "time/time.hpp"
#include "workers/cli/database/database.hpp"
#include "workers/cli/telemetry/telemetry_command.hpp"

#include <cstdio>
#include <stdexcept>

#include <boost/describe/class.hpp>
#include <fmt/core.h>
#include <pqxx/pqxx>
#include <unistd.h>

namespace omnibus::cli {
namespace {

constexpr std::int64_t day_ms = 86'400'000;
constexpr std::int64_t most_days = 3'660;

/// The output of `rebuild --json`.
struct Rebuilt {
  std::int64_t days = 0;
  std::int64_t calls = 0;
  std::optional<std::int32_t> price_version;
};
BOOST_DESCRIBE_STRUCT(Rebuilt, (), (days, calls, price_version))

/// The price list for computing costs, if any.
std::optional<std::int32_t> price_list(pqxx::connection& connection, TelemetryOptions const& options) {
  if (!options.reprice && !options.price_version) return std::nullopt;
  pqxx::nontransaction query{connection};
  auto const found = postgres::read_optional<std::int32_t>(
      query,
      "SELECT price_version FROM pipeline.llm_prices WHERE $1::int IS NULL OR price_version = $1 "
      "ORDER BY price_version DESC LIMIT 1",
      pqxx::params{options.price_version});
  if (!found) throw std::runtime_error("there is no such price list: see omnibus telemetry prices");
  return found;
}

}  // namespace

std::int64_t day_of(std::string_view option, std::string const& text) {
  auto const time = parse_time_or_date_ms(text);
  if (!time || *time < 0)
    throw std::runtime_error(fmt::format("--{}: '{}' is not a date such as 2026-11-20", option, text));
  return *time / day_ms;
}

std::string date_of(std::int64_t day) {
  return format_time_ms(day * day_ms).substr(0, 10);
}

void rebuild_telemetry(TelemetryOptions const& options) {
  auto const first = day_of("from", *options.from);
  auto const last = day_of("to", *options.to);
  if (last < first) throw std::runtime_error("--to: it must not be before --from");
  if (last - first >= most_days)
    throw std::runtime_error(fmt::format("--from: the range has more than {} days: give a later --from", most_days));
  auto const connection = connect(options.database);
  Rebuilt rebuilt;
  rebuilt.price_version = price_list(*connection, options);
  auto const is_terminal = isatty(STDERR_FILENO) != 0;
  for (auto day = first; day <= last; ++day) {
    // One transaction per day: the worker waits for the sums of one day at most.
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
          "the calls of {} were dropped, so its aggregates cannot be rebuilt: give a later --from", date_of(day)));
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

void drop_telemetry(TelemetryOptions const& options) {
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
    throw std::runtime_error("--before: today is the latest possible day, as its calls are still arriving");
  }
}

}  // namespace omnibus::cli
