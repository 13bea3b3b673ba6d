#include "workers/cli/dlq/dlq_command.hpp"

#include "kafka/topics.hpp"
#include "observability/log.hpp"
#include "time/time.hpp"
#include "workers/cli/commands.hpp"
#include "workers/cli/database/database.hpp"
#include "workers/cli/terminal/terminal.hpp"

#include <memory>

#include <CLI/CLI.hpp>

namespace omnibus::cli {
namespace {

void add_selection(CLI::App& command, DlqOptions& options) {
  command.add_option("--topic", options.topic, "The original topic of the letters, such as chat.messages");
  command.add_option("--partition", options.partition,
                     "Only of these partitions of the dead-letter topic, as 3 or 0-5");
  command.add_option("--offset", options.offset, "Only at these offsets, as 7, 7-12, 7- or -12");
  command.add_option("--class", options.error_class, "Only of this error class");
  command.add_option("--worker", options.worker, "Only of this worker, or consumer group");
  command.add_option("--since", options.since, "Only parked since: 2026-11-20T10:00:00Z, or 90s, 30m, 2h, 7d ago");
  command.add_option("--until", options.until, "Only parked until");
}

}  // namespace

Selection DlqOptions::selection() const {
  auto const now = wall_clock_ms();
  Selection chosen;
  if (!partition.empty()) chosen.partitions = read_range("--partition", partition);
  if (!offset.empty()) chosen.offsets = read_range("--offset", offset);
  if (!since.empty()) chosen.times.from = read_time(since, now);
  if (!until.empty()) chosen.times.to = read_time(until, now);
  chosen.error_class = error_class;
  chosen.worker = worker;
  return chosen;
}

std::string DlqOptions::letters_topic() const {
  return topic.ends_with(".dlq") ? topic : kafka::dead_letter_topic(topic);
}

void add_dlq_command(CLI::App& application, int& exit_code) {
  auto* dlq = application.add_subcommand("dlq", "List, redrive or drop dead letters");
  dlq->require_subcommand(1);
  dlq->footer(
      "A letter is redriven exactly once, even if the command is repeated: its original key, value, id and headers go "
      "back to the topic, its worker handles the event again, and workers that have handled it skip it. An event that "
      "fails again becomes a new letter, with its number of redrives. The record of a letter that is too large for its "
      "topic is kept in the database. ls also lists outbox rows that the broker refused. Redrive and drop need the "
      "database role "
      "omnibus_operator: OPERATOR_DATABASE_URL, else DATABASE_URL.");
  auto const options = std::make_shared<DlqOptions>();
  auto const add = [&](char const* name, char const* help, auto add_database, auto run) {
    auto* command = dlq->add_subcommand(name, help);
    add_cluster_options(*command, options->cluster);
    add_database(*command, options->database);
    command->add_flag("--json", options->json, "One JSON object instead of text");
    command->callback([options, &exit_code, run] {
      log::configure("omnibus", log::Level::off);  // errors are printed once, on stderr
      exit_code = run(*options);
    });
    return command;
  };

  auto* ls = add("ls", "Count letters by error class and list the newest", add_database_option, [](DlqOptions& told) {
    if (told.limit == 0) told.limit = 50;
    return list_letters(told);
  });
  add_selection(*ls, *options);
  ls->add_option("--state", options->state, "Only letters in this state")
      ->check(CLI::IsMember({"open", "redriven", "dropped"}));
  ls->add_option("--limit", options->limit, "List at most this many (50)")->check(CLI::Range(1, 1'000'000));

  auto* showing =
      add("show", "Show one letter: its origin, the reason and the headers", add_database_option, show_letter);
  showing->add_option("--topic", options->topic, "The original topic, such as chat.messages");
  showing->add_option("letter", options->place, "PARTITION/OFFSET, as ls shows it");
  showing->add_option("--row", options->row, "A refused outbox row instead of a letter");
  showing->add_flag("--payload", options->payload, "Show the payload as well, which may contain personal data");
  showing->add_flag(
      "--open", options->open,
      "With --payload: open sealed fields. Needs PII_MASTER_KEY and OPERATOR_DATABASE_URL; each use is audited");

  auto const add_acting = [&](char const* name, char const* help, postgres::LetterAction action) {
    auto* command = add(name, help, add_operator_database_option,
                        [action](DlqOptions& told) { return act_on_letters(told, action); });
    add_selection(*command, *options);
    command->add_option("--limit", options->limit, "At most this many letters")->check(CLI::PositiveNumber);
    command->add_option("--rate", options->rate, "At most this many per second, such as 50/s");
    command->add_flag("--dry-run", options->dry_run, "Print what would happen and change nothing");
    command->add_flag("--yes", options->yes, "Do not ask for confirmation");
    auto* refused = command->add_flag("--refused", options->refused,
                                      "Not letters but outbox rows that the broker refused, of --topic or all");
    for (auto const* const other : {"--partition", "--offset", "--class", "--worker", "--since", "--until", "--rate"})
      refused->excludes(other);
    command->add_option("--row", options->row, "With --refused: only this row")->needs(refused);
    return command;
  };
  add_acting("redrive", "Redrive letters. Exit code 0, or 2 when some cannot be redriven",
             postgres::LetterAction::redriven)
      ->add_flag("--skip-order", options->skip_order,
                 "Redrive a letter even if an earlier one of its key cannot be redriven");
  add_acting("drop", "Drop letters for good; they stay readable until their topic's retention ends",
             postgres::LetterAction::dropped);
}

}  // namespace omnibus::cli
