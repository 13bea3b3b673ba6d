#include "json/decode.hpp"
#include "json/encode.hpp"
#include "time/time.hpp"
#include "workers/cli/commands.hpp"
#include "workers/cli/matching/matching.hpp"
#include "workers/cli/terminal/terminal.hpp"

#include <fstream>
#include <iterator>
#include <stdexcept>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <pqxx/pqxx>

namespace omnibus::cli {
namespace {

struct MatchListing {
  std::vector<matches::ShownMatch> matches;
};
BOOST_DESCRIBE_STRUCT(MatchListing, (), (matches))

/// The file of `omnibus match override`.
struct OverrideFile {
  Uuid match_id;
  std::vector<MatchInsight> insights;
};
BOOST_DESCRIBE_STRUCT(OverrideFile, (), (match_id, insights))

/// A person by their handle, if the reader may see it.
std::string name_of(std::optional<std::string> const& handle, Uuid const& id) {
  return handle.value_or(to_string(id));
}

void list_matches(MatchingOptions const& options) {
  read_matching(options, [&](pqxx::transaction_base& transaction) {
    auto const found = matches::read_matches(
        transaction, {options.domain, options.status, options.min_score, read_id("--user", options.user)},
        options.page());
    if (options.json) return fmt::print("{}\n", json::encode(MatchListing{found}));
    Table table{{"ID", "STATUS", "SCORE", "PREDICTED", "A", "B", "SCHEDULED FOR"}};
    for (auto const& each : found)
      table.add({to_string(each.id), each.status, score_text(each.opportunity_score),
                 each.predicted_outcome.value_or("-"), name_of(each.user_a_handle, each.user_a_id),
                 name_of(each.user_b_handle, each.user_b_id), each.scheduled_for.value_or("-")});
    fmt::print("{}", table.text());
  });
}

void print_match(matches::MatchDetail const& detail) {
  auto const& match = detail.match;
  print_line("id", to_string(match.id));
  print_line("tenant", match.domain);
  print_line("status", match.status);
  print_line("a", name_of(match.user_a_handle, match.user_a_id));
  print_line("b", name_of(match.user_b_handle, match.user_b_id));
  print_line("score", score_text(match.opportunity_score));
  print_if_known("predicted", match.predicted_outcome);
  if (match.predicted_probabilities) print_line("probabilities", match.predicted_probabilities->text);
  if (match.score_parts) print_line("score parts", match.score_parts->text);
  print_if_known("summary", match.analysis_summary);
  print_if_known("reasoning", match.match_reasoning);
  print_if_known("analyzed", match.analyzed_at);
  print_if_known("scheduled for", match.scheduled_for);
  print_line("failed attempts", match.attempts == 0 ? "" : std::to_string(match.attempts));
  print_if_known("cancelled for", match.cancel_reason);
  for (auto const& insight : detail.insights)
    print_line("insight", fmt::format("{} {} {}: {}", score_text(insight.relevance_score), insight.insight_type,
                                      insight.title, insight.description));
  for (auto const& each : detail.overrides.value_or(std::vector<matches::ShownOverride>{}))
    print_line("overridden",
               fmt::format("{} by {}", each.created_at, each.actor ? to_string(*each.actor) : "the tool"));
}

void show_match(MatchingOptions const& options) {
  auto const id = read_id("the id", options.id);
  read_matching(options, [&](pqxx::transaction_base& transaction) {
    auto const detail = matches::read_match_detail(transaction, id);
    if (!detail) throw std::runtime_error("there is no such match: omnibus match ls shows them");
    if (options.json) return fmt::print("{}\n", json::encode(*detail));
    print_match(*detail);
  });
}

/// Plans one event from what is stored, and publishes it after the transaction.
template <class Plan>
void ask(MatchingOptions const& options, std::string_view done, Plan const& make) {
  std::vector<matches::PlannedEvent> planned;
  read_matching(options, [&](pqxx::transaction_base& transaction) { planned.push_back(make(transaction)); });
  publish_and_print(options, planned, done);
}

void analyze(MatchingOptions const& options) {
  ask(options, "the match worker looks for pairs: omnibus match ls shows them", [&](auto& transaction) {
    return matches::plan_batch(find_tenant(transaction, options.domain), random_uuid(), options.batch_size,
                               std::nullopt);
  });
}

void match_manually(MatchingOptions const& options) {
  auto const user = read_id("the first person", options.id);
  auto const other = read_id("the second person", options.other);
  ask(options, "the match worker analyses the pair: omnibus match ls --user shows it",
      [&](auto& transaction) { return matches::plan_manual_match(transaction, user, other, std::nullopt); });
}

void override_insights(MatchingOptions const& options) {
  std::ifstream file{options.file};
  std::string const text{std::istreambuf_iterator<char>{file}, {}};
  if (!file) throw std::runtime_error(fmt::format("cannot read {}", options.file));
  auto read = json::decode_strictly<OverrideFile>(text, {.bytes = text.size()});
  if (!read) throw std::runtime_error(fmt::format("{}: {}", options.file, read.error().message()));
  ask(options, "the match worker replaces the insights: omnibus match show shows them", [&](auto& transaction) {
    return matches::plan_override(transaction, read->match_id, std::move(read->insights), std::nullopt);
  });
}

void run_midnight(MatchingOptions const& options) {
  auto const at = read_moment("--at", options.at);
  auto const user = read_id("--user", options.user);
  ask(options, "the match worker activates what is due: omnibus match ls --status active shows it",
      [&](auto& transaction) {
        return matches::plan_midnight(transaction, find_tenant(transaction, options.domain), user,
                                      at ? std::optional{format_time_ms(*at)} : std::nullopt, std::nullopt);
      });
}

void add_readers(CLI::App& command, std::shared_ptr<MatchingOptions> const& options) {
  auto* list = command.add_subcommand("ls", "List matches, the newest first");
  add_reading_options(*list, *options);
  add_list_options(*list, *options, {"pending_analysis", "analyzed", "scheduled", "active", "completed", "cancelled"});
  list->add_option("--min-score", options->min_score, "Only with at least this opportunity score")
      ->check(check_fraction);
  list->add_option("--user", options->user, "Only matches of this person");
  run_on(*list, [options] { list_matches(*options); });

  auto* show = command.add_subcommand("show", "Show one match with its insights");
  add_reading_options(*show, *options);
  show->add_option("id", options->id, "The match's id, as ls shows it")->required();
  run_on(*show, [options] { show_match(*options); });
}

}  // namespace

void add_match_command(CLI::App& application, int&) {
  auto const options = std::make_shared<MatchingOptions>();
  auto* command = application.add_subcommand("match", "List matches between people, and ask for new ones");
  command->require_subcommand(1);
  add_readers(*command, options);
  auto const add = [&](char const* name, char const* help, void (*run)(MatchingOptions const&)) {
    auto* subcommand = command->add_subcommand(name, help);
    add_asking_options(*subcommand, *options);
    run_on(*subcommand, [options, run] { run(*options); });
    return subcommand;
  };
  auto* analyze_command = add("analyze", "Find the best pairs of a tenant's people and analyse each", analyze);
  analyze_command->add_option("--domain", options->domain, "The tenant; by default the only one");
  analyze_command
      ->add_option("--batch-size", options->batch_size,
                   "Analyse at most this many pairs; default: MATCH_BATCH_SIZE of the match worker")
      ->check(CLI::Range(std::int64_t{1}, matches::most_pairs));

  auto* manual = add("manual", "Analyse a pair that you choose, whatever its score will be", match_manually);
  manual->add_option("user", options->id, "One person")->required();
  manual->add_option("other", options->other, "The other person")->required();

  auto* overriding = add("override", "Replace the insights of a match", override_insights);
  overriding->add_option("file", options->file, R"(JSON: {"match_id", "insights": [{"insight_type", "title", ...}]})")
      ->required();

  auto* midnight = add("midnight", "Begin the conversations of scheduled matches whose time has come", run_midnight);
  midnight->add_option("--domain", options->domain, "The tenant; by default the only one");
  midnight->add_option("--user", options->user, "Only matches of this person");
  midnight->add_option("--at", options->at,
                       "Take this for the time, as 2026-11-20T23:00:00Z; a date is its first midnight (UTC)");
}

}  // namespace omnibus::cli
