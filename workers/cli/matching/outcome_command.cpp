#include "json/encode.hpp"
#include "workers/cli/commands.hpp"
#include "workers/cli/matching/matching.hpp"
#include "workers/cli/terminal/terminal.hpp"

#include <stdexcept>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <pqxx/pqxx>

namespace omnibus::cli {
namespace {

struct OutcomeListing {
  std::vector<matches::ShownOutcome> outcomes;
};
BOOST_DESCRIBE_STRUCT(OutcomeListing, (), (outcomes))

struct ReportListing {
  std::vector<matches::ShownReport> reports;
};
BOOST_DESCRIBE_STRUCT(ReportListing, (), (reports))

void list_outcomes(MatchingOptions const& options) {
  matches::OutcomeFilter filter{options.domain, read_id("--conversation", options.conversation), std::nullopt};
  if (options.follow_up) filter.follow_up_recommended = true;
  read_matching(options, [&](pqxx::transaction_base& transaction) {
    auto const found = matches::read_outcomes(transaction, filter, options.page());
    if (options.json) return fmt::print("{}\n", json::encode(OutcomeListing{found}));
    Table table{{"ID", "CONVERSATION", "PREDICTED", "ACTUAL", "CLOSE", "READY", "FOLLOW UP", "COLLABORATE"}};
    for (auto const& each : found)
      table.add({to_string(each.id), to_string(each.conversation_id), each.predicted_outcome.value_or("-"),
                 each.actual_outcome.value_or("-"), score_text(each.outcome_match_score),
                 score_text(each.collaboration_readiness_score), each.follow_up_recommended ? "yes" : "no",
                 each.actual_collaboration_tracked ? "yes" : "no"});
    fmt::print("{}", table.text());
  });
}

void analyze_outcome(MatchingOptions const& options) {
  auto const conversation = read_id("the conversation", options.id);
  std::vector<matches::PlannedEvent> planned;
  read_matching(options, [&](pqxx::transaction_base& transaction) {
    planned.push_back(matches::plan_outcome_analysis(transaction, conversation, std::nullopt));
  });
  publish_and_print(options, planned, "the outcome worker judges it: omnibus outcome ls --conversation shows it");
}

void track_collaboration(MatchingOptions const& options) {
  auto const outcome = read_id("the outcome", options.id);
  std::vector<matches::PlannedEvent> planned;
  read_matching(options, [&](pqxx::transaction_base& transaction) {
    planned.push_back(matches::plan_collaboration(transaction, outcome, !options.undo, options.details, std::nullopt));
  });
  publish_and_print(options, planned, "the outcome worker notes it");
}

void list_reports(MatchingOptions const& options) {
  matches::ReportFilter const filter{options.domain, read_id("--user", options.user), options.date};
  read_matching(options, [&](pqxx::transaction_base& transaction) {
    auto const found = matches::read_reports(transaction, filter, options.page());
    if (options.json) return fmt::print("{}\n", json::encode(ReportListing{found}));
    Table table{{"ID", "PERSON", "DATE", "OUTCOMES", "SENT", "RATING"}};
    for (auto const& each : found)
      table.add({to_string(each.id), to_string(each.user_id), each.report_date, std::to_string(each.outcomes),
                 each.send_state.value_or("-"), each.rating ? std::to_string(*each.rating) : "-"});
    fmt::print("{}", table.text());
  });
}

void show_report(MatchingOptions const& options) {
  auto const id = read_id("the id", options.id);
  read_matching(options, [&](pqxx::transaction_base& transaction) {
    auto const report = matches::read_report_text(transaction, id);
    if (!report) throw std::runtime_error("there is no such report: omnibus report ls shows them");
    if (options.json) return fmt::print("{}\n", json::encode(*report));
    // Its lines stay lines; everything else that could move a terminal's cursor is escaped.
    for (std::string_view rest = report->text; !rest.empty();) {
      auto const end = rest.find('\n');
      fmt::print("{}\n", printable(rest.substr(0, end)));
      rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
    }
    if (report->rating) print_line("rating", fmt::format("{} of 5", *report->rating));
  });
}

/// The tool is no principal; a report that somebody asked for holds what there is, with news or without.
constexpr Uuid the_tool{};

void request_reports(MatchingOptions const& options) {
  auto const user = read_id("--user", options.user);
  std::vector<matches::PlannedEvent> planned;
  read_matching(options, [&](pqxx::transaction_base& transaction) {
    if (user)
      planned.push_back(matches::plan_report(transaction, *user, options.date, the_tool));
    else
      planned = matches::plan_reports(transaction, find_tenant(transaction, options.domain), options.date, the_tool);
  });
  publish_and_print(options, planned,
                    planned.empty() ? "there is nothing new to report to anybody"
                                    : "the report worker makes them: omnibus report ls shows them");
}

}  // namespace

void add_outcome_command(CLI::App& application, int&) {
  auto const options = std::make_shared<MatchingOptions>();
  auto* command = application.add_subcommand("outcome", "List and judge the outcomes of agents' conversations");
  command->require_subcommand(1);
  auto* list = command->add_subcommand("ls", "List outcomes, the newest first");
  add_reading_options(*list, *options);
  add_list_options(*list, *options);
  list->add_option("--conversation", options->conversation, "Only of this conversation");
  list->add_flag("--follow-up", options->follow_up, "Only those whose two people should meet");
  run_on(*list, [options] { list_outcomes(*options); });

  auto* analyze = command->add_subcommand("analyze", "Have a completed conversation judged");
  add_asking_options(*analyze, *options);
  analyze->add_option("conversation", options->id, "The conversation's id")->required();
  run_on(*analyze, [options] { analyze_outcome(*options); });

  auto* track = command->add_subcommand("track", "Record that the two people of an outcome work together");
  add_asking_options(*track, *options);
  track->add_option("outcome", options->id, "The outcome's id, as ls shows it")->required();
  track->add_option("--details", options->details, "What is known of it");
  track->add_flag("--undo", options->undo, "Record that they do not");
  run_on(*track, [options] { track_collaboration(*options); });
}

void add_report_command(CLI::App& application, int&) {
  auto const options = std::make_shared<MatchingOptions>();
  auto* command = application.add_subcommand("report", "List, show and request people's reports");
  command->require_subcommand(1);
  auto* list = command->add_subcommand("ls", "List reports, the newest first");
  add_reading_options(*list, *options);
  add_list_options(*list, *options);
  list->add_option("--user", options->user, "Only of this person");
  list->add_option("--date", options->date, "Only of this day, as 2026-11-20")->check(check_date);
  run_on(*list, [options] { list_reports(*options); });

  auto* show = command->add_subcommand("show", "Print the text of one report");
  add_reading_options(*show, *options);
  show->add_option("id", options->id, "The report's id, as ls shows it")->required();
  run_on(*show, [options] { show_report(*options); });

  auto* request =
      command->add_subcommand("request", "Ask for the reports of people with news, or for the report of one person");
  add_asking_options(*request, *options);
  request->add_option("--user", options->user, "Only this person, with news or without");
  request->add_option("--domain", options->domain, "The tenant; by default the only one");
  request
      ->add_option("--date", options->date,
                   "The day of the report in each person's time, as 2026-11-20; not a later one")
      ->check(check_date);
  run_on(*request, [options] { request_reports(*options); });
}

}  // namespace omnibus::cli
