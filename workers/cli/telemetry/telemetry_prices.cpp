#include "llm/prices.hpp"
#include "workers/cli/database/database.hpp"
#include "workers/cli/telemetry/telemetry_command.hpp"

#include <algorithm>
#include <stdexcept>

#include <fmt/core.h>
#include <pqxx/pqxx>

namespace omnibus::cli {
namespace {

std::string dollars_of(std::int64_t micro) {
  return fmt::format("{}.{:06}", micro / 1'000'000, micro % 1'000'000);
}

}  // namespace

void list_prices(TelemetryOptions const& options) {
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

void add_prices(TelemetryOptions const& options) {
  // As stored: all of the newest list, with the new prices.
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

}  // namespace omnibus::cli
