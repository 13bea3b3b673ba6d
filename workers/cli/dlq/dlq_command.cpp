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

void add_selection(CLI::App& command, DlqOptions& options, bool topic_required) {
  command.add_option("--topic", options.topic, "The topic the letters came from, such as chat.messages")
      ->required(topic_required);
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
  auto* dlq = application.add_subcommand("dlq", "Look at dead letters, send them again, or put them aside");
  dlq->require_subcommand(1);
  dlq->footer(
      "A letter is redriven once, whoever asks how often: its original key, value, id and headers go back to their "
      "topic, its worker forgets that it gave up, and the workers that have handled the event recognise it. One that "
      "fails again is a new letter, with its number of redrives. Redrive and drop need the database role "
      "omnibus_operator.");
  auto const options = std::make_shared<DlqOptions>();
  auto const add = [&](char const* name, char const* help, auto run) {
    auto* command = dlq->add_subcommand(name, help);
    add_cluster_options(*command, options->cluster);
    add_database_option(*command, options->database);
    command->add_flag("--json", options->json, "One JSON object instead of text");
    command->callback([options, &exit_code, run] {
      log::configure("omnibus", log::Level::off);  // what goes wrong is said once, on stderr
      exit_code = run(*options);
    });
    return command;
  };

  auto* ls = add("ls", "Count letters by class and list the newest", [](DlqOptions& told) {
    if (told.limit == 0) told.limit = 50;
    return list_letters(told);
  });
  add_selection(*ls, *options, false);
  ls->add_option("--state", options->state, "Only these")->check(CLI::IsMember({"open", "redriven", "dropped"}));
  ls->add_option("--limit", options->limit, "How many to list (50)")->check(CLI::Range(1, 1'000'000));

  auto* showing = add("show", "Show one letter: where it failed, why, and its headers", show_letter);
  showing->add_option("--topic", options->topic, "The topic it came from, such as chat.messages")->required();
  showing->add_option("letter", options->place, "PARTITION/OFFSET, as ls shows it")->required();
  showing->add_flag("--payload", options->payload, "Its payload as well, which may hold personal data");

  auto const add_acting = [&](char const* name, char const* help, postgres::LetterAction action) {
    auto* command = add(name, help, [action](DlqOptions& told) { return act_on_letters(told, action); });
    add_selection(*command, *options, true);
    command->add_option("--limit", options->limit, "Not more than so many")->check(CLI::PositiveNumber);
    command->add_option("--rate", options->rate, "Not faster than so many a second, as 50/s");
    command->add_flag("--dry-run", options->dry_run, "Say what would happen and change nothing");
    command->add_flag("--yes", options->yes, "Do not ask");
    return command;
  };
  add_acting("redrive", "Send letters again. Exit code 0, or 2 when some of them have to stay",
             postgres::LetterAction::redriven)
      ->add_flag("--skip-order", options->skip_order, "Send a letter although an earlier one of its key stays behind");
  add_acting("drop", "Put letters aside for good; they stay readable until their topic's retention takes them",
             postgres::LetterAction::dropped);
}

}  // namespace omnibus::cli
