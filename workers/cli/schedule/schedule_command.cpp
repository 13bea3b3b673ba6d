#include "json/encode.hpp"
#include "postgres/rows.hpp"
#include "workers/cli/commands.hpp"
#include "workers/cli/database/database.hpp"
#include "workers/cli/terminal/terminal.hpp"

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>
#include <boost/describe/class.hpp>
#include <fmt/format.h>
#include <pqxx/pqxx>

namespace omnibus::cli {
namespace {

struct ScheduleOptions {
  std::string database;
  std::string name;
  std::int64_t wait_s = 10;
  bool json = false;
};

/// A row of pipeline.schedules, with its times in RFC 3339.
struct ShownSchedule {
  std::string name;
  std::optional<std::string> every, at, next_at, last_at;
  bool enabled = false;
};
BOOST_DESCRIBE_STRUCT(ShownSchedule, (), (name, every, at, next_at, last_at, enabled))

struct ScheduleListing {
  std::vector<ShownSchedule> schedules;
};
BOOST_DESCRIBE_STRUCT(ScheduleListing, (), (schedules))

/// What became of a tick that an operator asked for.
struct AskedTick {
  std::string name, due_at;
  bool claimed = false;
};
BOOST_DESCRIBE_STRUCT(AskedTick, (), (name, due_at, claimed))

constexpr std::string_view schedule_columns =
    " name, every::text, at, to_char(next_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS next_at,"
    " to_char(last_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS last_at, enabled";

std::string recurrence_text(ShownSchedule const& schedule) {
  if (schedule.every) return "every " + *schedule.every;
  auto const& at = schedule.at.value();
  return (at.find(' ') == std::string::npos ? "daily " : "") + at + " UTC";
}

/// @throws std::runtime_error if it does not exist.
ShownSchedule find_schedule(pqxx::nontransaction& query, std::string const& name) {
  auto found = postgres::read_optional<ShownSchedule>(
      query, "SELECT" + std::string{schedule_columns} + " FROM pipeline.schedules WHERE name = $1", pqxx::params{name});
  if (!found)
    throw std::runtime_error(
        fmt::format("there is no schedule {}: omnibus schedule ls shows them", printable(name, 200)));
  return *std::move(found);
}

void list_schedules(ScheduleOptions const& options) {
  operate(options.database, "schedules", [&](pqxx::nontransaction& query) {
    auto const found = postgres::read<ShownSchedule>(
        query, "SELECT" + std::string{schedule_columns} + " FROM pipeline.schedules ORDER BY name");
    if (options.json) return fmt::print("{}\n", json::encode(ScheduleListing{found}));
    Table table{{"NAME", "DUE", "NEXT", "LAST", "STATE"}};
    for (auto const& each : found)
      table.add({each.name, recurrence_text(each), each.next_at.value_or("-"), each.last_at.value_or("-"),
                 each.enabled ? "enabled" : "disabled"});
    fmt::print("{}", table.text());
  });
}

void set_enabled(ScheduleOptions const& options, bool enabled) {
  operate(options.database, "schedules", [&](pqxx::nontransaction& query) {
    find_schedule(query, options.name);
    // Without a due time it is not behind: the active scheduler gives it the next one.
    auto const changed =
        query.exec("UPDATE pipeline.schedules SET enabled = $2, next_at = NULL WHERE name = $1 AND enabled <> $2",
                   pqxx::params{options.name, enabled});
    if (options.json) return fmt::print("{}\n", json::encode(find_schedule(query, options.name)));
    fmt::print("{} is {}{}\n", options.name, changed.affected_rows() == 0 ? "already " : "",
               enabled ? "enabled" : "disabled");
  });
}

/// Waits until an active scheduler has claimed what is due at `planned`. @return false after `limit`.
bool await_claim(pqxx::nontransaction& query, std::string const& name, std::string const& planned,
                 std::chrono::seconds limit) {
  auto const deadline = std::chrono::steady_clock::now() + limit;
  while (query.query_value<bool>(
      "SELECT coalesce(next_at = $2::timestamptz, false) FROM pipeline.schedules WHERE name = $1",
      pqxx::params{name, planned})) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds{50});
  }
  return true;
}

void run_schedule(ScheduleOptions const& options, int& exit_code) {
  operate(options.database, "schedules", [&](pqxx::nontransaction& query) {
    if (!find_schedule(query, options.name).enabled)
      throw std::runtime_error(fmt::format("{0} is disabled: run omnibus schedule enable {0} first", options.name));
    // One that is due already stays due since then.
    auto const [planned, due_at] = query.query1<std::string, std::string>(
        "UPDATE pipeline.schedules SET next_at = least(next_at, date_trunc('milliseconds', clock_timestamp()))"
        " WHERE name = $1 RETURNING next_at::text,"
        " to_char(next_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')",
        pqxx::params{options.name});
    AskedTick asked{options.name, due_at};
    asked.claimed = await_claim(query, options.name, planned, std::chrono::seconds{options.wait_s});
    if (!asked.claimed && options.wait_s > 0) exit_code = 1;
    if (options.json) return fmt::print("{}\n", json::encode(asked));
    if (asked.claimed) return fmt::print("the scheduler has taken {} and publishes it\n", options.name);
    if (options.wait_s == 0) return fmt::print("{} is due now\n", options.name);
    fmt::print(stderr, "{} is due now, and no scheduler ticked within {} s: start omnibus-scheduler\n", options.name,
               options.wait_s);
  });
}

}  // namespace

void add_schedule_command(CLI::App& application, int& exit_code) {
  auto const options = std::make_shared<ScheduleOptions>();
  auto* command =
      application.add_subcommand("schedule", "Show and change the schedules of the clock, omnibus-scheduler");
  command->require_subcommand(1);
  auto const add = [&](char const* name, char const* help, auto add_database) {
    auto* subcommand = command->add_subcommand(name, help);
    add_database(*subcommand, options->database);
    subcommand->add_flag("--json", options->json, "As JSON");
    return subcommand;
  };
  auto const add_with_name = [&](char const* name, char const* help) {
    auto* subcommand = add(name, help, add_operator_database_option);
    subcommand->add_option("name", options->name, "The schedule, such as tick.sessions.cleanup")->required();
    return subcommand;
  };
  add("ls", "List schedules with their last and next due times", add_database_option)->callback([options] {
    list_schedules(*options);
  });
  auto* run = add_with_name("run", "Let a schedule tick now, once; needs the role operator");
  run->add_option("--wait", options->wait_s, "Seconds to wait for the active scheduler; 0: do not wait")
      ->check(CLI::Range(0, 3'600))
      ->capture_default_str();
  run->callback([options, &exit_code] { run_schedule(*options, exit_code); });
  add_with_name("enable", "Let a schedule tick again, from its next due time on; needs the role operator")
      ->callback([options] { set_enabled(*options, true); });
  add_with_name("disable", "Let a schedule tick no more; needs the role operator")->callback([options] {
    set_enabled(*options, false);
  });
}

}  // namespace omnibus::cli
