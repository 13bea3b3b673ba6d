/// `omnibus telemetry`: its options and commands.
#pragma once

#include "workers/cli/telemetry/telemetry_view.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace omnibus::cli {

/// The command line's values.
struct TelemetryOptions {
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

/// A day as a number of days since 1970 and as 2026-11-20. @throws std::runtime_error that names the option.
std::int64_t day_of(std::string_view option, std::string const& text);
std::string date_of(std::int64_t day);

/// Each prints its result. @throws std::runtime_error that names the option, or as libpqxx.
void rebuild_telemetry(TelemetryOptions const& options);
void drop_telemetry(TelemetryOptions const& options);
void list_prices(TelemetryOptions const& options);
void add_prices(TelemetryOptions const& options);

}  // namespace omnibus::cli
