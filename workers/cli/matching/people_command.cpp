#include "json/encode.hpp"
#include "time/time.hpp"
#include "workers/cli/commands.hpp"
#include "workers/cli/matching/matching.hpp"
#include "workers/cli/matching/people_import.hpp"
#include "workers/cli/terminal/chart.hpp"
#include "workers/cli/terminal/terminal.hpp"

#include <cstdio>
#include <fstream>
#include <iostream>
#include <stdexcept>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <pqxx/pqxx>
#include <unistd.h>

namespace omnibus::cli {
namespace {

struct PeopleListing {
  std::vector<matches::ShownPerson> people;
};
BOOST_DESCRIBE_STRUCT(PeopleListing, (), (people))

struct ImportReport {
  std::int64_t published = 0, bad = 0;
};
BOOST_DESCRIBE_STRUCT(ImportReport, (), (published, bad))

constexpr std::int64_t progress_step = 100;

void list_people(MatchingOptions const& options) {
  read_matching(options, [&](pqxx::transaction_base& transaction) {
    auto const found = matches::read_people(transaction, {options.domain, options.status}, options.page());
    if (options.json) return fmt::print("{}\n", json::encode(PeopleListing{found}));
    Table table{{"ID", "HANDLE", "STATUS", "TIME ZONE", "CONSENT", "STORY", "TENANT"}};
    for (auto const& each : found)
      table.add({to_string(each.id), each.handle, each.status, each.timezone,
                 each.deep_analysis_consent_at ? "yes" : "no", each.narrative ? "yes" : "no", each.domain});
    fmt::print("{}", table.text());
  });
}

std::string joined(std::optional<std::vector<std::string>> const& words) {
  return words ? fmt::format("{}", fmt::join(*words, ", ")) : "";
}

void show_person(MatchingOptions const& options) {
  auto const id = read_id("the id", options.id);
  read_matching(options, [&](pqxx::transaction_base& transaction) {
    auto const person = matches::read_person(transaction, id);
    if (!person) throw std::runtime_error("there is no such person: omnibus people ls shows them");
    if (options.json) return fmt::print("{}\n", json::encode(*person));
    print_line("id", to_string(person->id));
    print_line("tenant", person->domain);
    print_line("handle", person->handle);
    print_line("status", person->status);
    print_line("time zone", person->timezone);
    print_if_known("e-mail", person->email);
    print_if_known("consented", person->deep_analysis_consent_at);
    print_line("seeks", joined(person->seeking_connections));
    print_line("offers", joined(person->offering_expertise));
    print_if_known("focus", person->current_focus);
    print_if_known("story", person->narrative);
  });
}

/// Publishes each good line and names each bad one.
ImportReport import_lines(MatchingOptions const& options, std::istream& lines, pqxx::transaction_base& transaction) {
  ImportDefaults defaults{options.domain, std::nullopt};
  if (options.approve) defaults.consent_at = format_time_ms(wall_clock_ms());
  matches::TimeZones const zones{transaction};
  EventPublisher publisher{options.cluster};
  ImportReport report;
  auto const shows_progress = isatty(STDERR_FILENO) != 0;
  std::int64_t number = 0;
  auto const reject = [&](std::string_view reason) {
    ++report.bad;
    fmt::print(stderr, "{}:{}: {}\n", options.file, number, reason);
  };
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    auto const person = read_person_line(line, defaults);
    if (!person) {
      reject(person.error().message());
      continue;
    }
    std::optional<matches::PlannedEvent> planned;
    try {
      planned = matches::plan_person(transaction, zones, *person);
    } catch (matches::InvalidRequest const& invalid) {
      reject(invalid.detail);
      continue;
    }
    publisher.publish(*planned);
    if (++report.published % progress_step == 0 && shows_progress)
      fmt::print(stderr, "\r{} people ", with_separators(report.published));
  }
  if (lines.bad()) throw std::runtime_error(fmt::format("cannot read {}", options.file));
  publisher.finish();
  if (shows_progress && report.published >= progress_step) fmt::print(stderr, "\n");
  return report;
}

void import_people(MatchingOptions const& options, int& exit_code) {
  std::ifstream file;
  if (options.file != "-") {
    file.open(options.file);
    if (!file) throw std::runtime_error(fmt::format("cannot open {}", options.file));
  }
  auto& lines = options.file == "-" ? std::cin : file;
  read_matching(options, [&](pqxx::transaction_base& transaction) {
    auto const report = import_lines(options, lines, transaction);
    if (report.bad > 0) exit_code = 1;
    if (options.json) return fmt::print("{}\n", json::encode(report));
    fmt::print("{} people published, {} bad lines\n", with_separators(report.published), with_separators(report.bad));
  });
}

}  // namespace

void add_people_command(CLI::App& application, int& exit_code) {
  auto const options = std::make_shared<MatchingOptions>();
  auto* command = application.add_subcommand("people", "List, show and import the people who are matched");
  command->require_subcommand(1);
  auto* list = command->add_subcommand("ls", "List people, the newest first");
  add_reading_options(*list, *options);
  add_list_options(*list, *options, {"PENDING", "APPROVED", "SUSPENDED"});
  run_on(*list, [options] { list_people(*options); });

  auto* show = command->add_subcommand("show", "Show one person with their story");
  add_reading_options(*show, *options);
  show->add_option("id", options->id, "The person's id, as ls shows it")->required();
  run_on(*show, [options] { show_person(*options); });

  auto* import = command->add_subcommand("import", "Publish person.recorded for each line of a file");
  add_asking_options(*import, *options);
  import->add_option("file", options->file, "JSON lines with handle, timezone, narrative, ...; - is standard input")
      ->required();
  import->add_option("--domain", options->domain, "The tenant of lines that name none");
  import->add_flag("--approve", options->approve,
                   "People without a status are approved, and those without a time of consent consent now");
  import->footer("A bad line is named on standard error, and the others are published. Ends with 1 if one was bad.");
  run_on(*import, [options, &exit_code] { import_people(*options, exit_code); });
}

}  // namespace omnibus::cli
