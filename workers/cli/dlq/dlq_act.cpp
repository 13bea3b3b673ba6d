#include "json/encode.hpp"
#include "kafka/admin.hpp"
#include "kafka/partition_reader.hpp"
#include "kafka/producer.hpp"
#include "postgres/outbox_publishing.hpp"
#include "workers/cli/database/database.hpp"
#include "workers/cli/dlq/dlq_command.hpp"
#include "workers/cli/dlq/letter_report.hpp"
#include "workers/cli/dlq/redrive.hpp"
#include "workers/cli/dlq/refused_rows.hpp"
#include "workers/cli/terminal/terminal.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <string>

#include <fmt/format.h>
#include <pqxx/pqxx>
#include <unistd.h>

namespace omnibus::cli {
namespace {

constexpr int some_left = 2;

double read_rate(std::string text) {
  if (text.empty()) return 0;
  if (text.ends_with("/s")) text.erase(text.size() - 2);
  char* end = nullptr;
  auto const rate = std::strtod(text.c_str(), &end);
  if (end == text.c_str() || *end != '\0' || !(rate > 0) || rate > 1e6)
    throw std::invalid_argument("--rate takes letters per second, such as 50/s");
  return rate;
}

bool confirmed(std::string const& question) {
  if (isatty(STDIN_FILENO) == 0) throw std::runtime_error(question + ": standard input is not a terminal; give --yes");
  fmt::print(stderr, "{} [y/N] ", question);
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "yes";
}

kafka::ProducerSettings sending() {
  kafka::ProducerSettings settings;
  settings.max_message = postgres::largest_stored_record;
  return settings;
}

int act_on_refused(DlqOptions const& options, postgres::LetterAction action) {
  RefusedSelection selection{options.topic, options.row};
  if (options.limit > 0) selection.limit = options.limit;
  auto const database = connect(options.database);
  ActionSummary summary{options.topic, std::string{postgres::to_string(action)}, options.dry_run};
  auto const redrives = action == postgres::LetterAction::redriven;
  auto const found = static_cast<std::int64_t>(refused_rows(*database, selection, false).size());
  if (options.dry_run || found == 0) {
    summary.acted = found;
  } else if (!options.yes && !confirmed(fmt::format("{} {} refused rows", redrives ? "redrive" : "drop", found))) {
    return 1;
  } else if (redrives) {
    kafka::Producer producer{options.cluster.settings(), sending()};
    auto const report = redrive_refused(*database, producer, selection, [](std::int64_t row, std::string_view reason) {
      fmt::print(stderr, "row {} is refused again: {}\n", row, printable(reason, 512));
    });
    summary.acted = static_cast<std::int64_t>(report.acted);
    summary.refused = static_cast<std::int64_t>(report.refused);
  } else {
    summary.acted = static_cast<std::int64_t>(drop_refused(*database, selection));
  }
  fmt::print("{}", options.json ? json::encode(summary) + '\n' : text_of(summary));
  return summary.refused == 0 ? 0 : some_left;
}

}  // namespace

int act_on_letters(DlqOptions const& options, postgres::LetterAction action) {
  if (options.refused) return act_on_refused(options, action);
  if (options.topic.empty()) throw std::invalid_argument("give --topic, or --refused");
  RedriveSettings settings;
  settings.action = action;
  settings.topic = options.letters_topic();
  settings.selection = options.selection();
  if (options.limit > 0) settings.limit = options.limit;
  settings.rate = read_rate(options.rate);
  settings.skip_order = options.skip_order;
  settings.actor = actor();

  kafka::Admin admin{options.cluster.settings(), options.cluster.timeout()};
  kafka::PartitionReader reader{options.cluster.settings(), options.cluster.timeout()};
  auto const database = connect(options.database);
  auto const tell = [](engine::DeadLetter const& letter, std::string_view what) {
    fmt::print(stderr, "{}/{} {} {}\n", letter.partition, letter.offset, printable(letter.error_class, 64), what);
  };
  auto const quiet = [](engine::DeadLetter const&, std::string_view) {};

  if (!options.dry_run && !options.yes) {  // count first, then ask
    auto counting = settings;
    counting.dry_run = true;
    auto const found = Redrive{{admin, reader, *database, nullptr, quiet, {}}, counting}.run();
    auto const what = action == postgres::LetterAction::redriven ? "redrive" : "drop";
    if (!confirmed(fmt::format("{} {} letters of {}", what, found.acted, settings.topic))) return 1;
  }

  settings.dry_run = options.dry_run;
  std::optional<kafka::Producer> producer;
  if (!options.dry_run && action == postgres::LetterAction::redriven)
    producer.emplace(options.cluster.settings(), sending());
  auto told = std::chrono::steady_clock::now();
  auto const progress = [&](std::size_t acted) {
    if (std::chrono::steady_clock::now() - told < std::chrono::seconds{2}) return;
    told = std::chrono::steady_clock::now();
    fmt::print(stderr, "{} so far\n", acted);
  };
  Redrive redrive{{admin, reader, *database, producer ? &*producer : nullptr, tell, progress}, settings};
  auto const report = redrive.run();
  auto const number = [](std::size_t count) { return static_cast<std::int64_t>(count); };
  ActionSummary const summary{settings.topic,         std::string{postgres::to_string(action)},
                              options.dry_run,        number(report.acted),
                              number(report.taken),   number(report.waiting),
                              number(report.refused), number(report.left_over)};
  fmt::print("{}", options.json ? json::encode(summary) + '\n' : text_of(summary));
  return report.waiting + report.refused == 0 ? 0 : some_left;
}

}  // namespace omnibus::cli
