#include "json/decode.hpp"
#include "json/encode.hpp"
#include "matches/measures.hpp"
#include "workers/cli/commands.hpp"
#include "workers/cli/matching/matching.hpp"
#include "workers/cli/terminal/terminal.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <pqxx/pqxx>

namespace omnibus::cli {
namespace {

struct ProcessingLogListing {
  std::vector<matches::ShownProcessingLog> logs;
};
BOOST_DESCRIBE_STRUCT(ProcessingLogListing, (), (logs))

/// What the SQL function gives, under the names that the seed's API has.
struct InsightTypeCount {
  std::string type;
  std::int64_t count = 0;
};
BOOST_DESCRIBE_STRUCT(InsightTypeCount, (), (type, count))

struct OutcomeCount {
  std::string outcome;
  std::int64_t count = 0;
};
BOOST_DESCRIBE_STRUCT(OutcomeCount, (), (outcome, count))

struct WorkersHealth {
  std::int64_t processingBacklog = 0;
  std::optional<double> averageProcessingTime, errorRate;
  std::optional<std::int64_t> stuck, activeConversations, unknownTimeZones;
};
BOOST_DESCRIBE_STRUCT(WorkersHealth, (),
                      (processingBacklog, averageProcessingTime, errorRate, stuck, activeConversations,
                       unknownTimeZones))

struct MatchAnalytics {
  std::int64_t totalMatches = 0;
  std::optional<double> averageOpportunityScore, conversionRate;
  std::vector<InsightTypeCount> topInsightTypes;
  std::vector<OutcomeCount> outcomeDistribution;
  WorkersHealth systemHealth;
};
BOOST_DESCRIBE_STRUCT(MatchAnalytics, (),
                      (totalMatches, averageOpportunityScore, conversionRate, topInsightTypes, outcomeDistribution,
                       systemHealth))

/// The measures of how well outcomes were predicted that fit in a line each.
struct MatchCalibration {
  std::int64_t n = 0;
  std::optional<double> brier, skill, accuracy, macro_f1, ece;
  std::vector<std::string> labels;
  std::vector<std::vector<std::int64_t>> confusion;
};
BOOST_DESCRIBE_STRUCT(MatchCalibration, (), (n, brier, skill, accuracy, macro_f1, ece, labels, confusion))

/// Both, as one document.
struct AnalyticsReport {
  json::Raw analytics, calibration;
};
BOOST_DESCRIBE_STRUCT(AnalyticsReport, (), (analytics, calibration))

std::string number_text(std::optional<double> number) {
  return number ? fmt::format("{:.4f}", *number) : "-";
}

void print_health(WorkersHealth const& health) {
  print_line("backlog", std::to_string(health.processingBacklog));
  print_line("average time",
             health.averageProcessingTime ? fmt::format("{:.0f} ms", *health.averageProcessingTime) : "-");
  print_line("error rate", number_text(health.errorRate));
  if (health.stuck) print_line("stuck", std::to_string(*health.stuck));
  if (health.activeConversations) print_line("running", fmt::format("{} conversations", *health.activeConversations));
  if (health.unknownTimeZones) print_line("unknown time zones", fmt::format("{} people", *health.unknownTimeZones));
}

void print_calibration(MatchCalibration const& calibration) {
  print_line("outcomes measured", std::to_string(calibration.n));
  print_line("brier", number_text(calibration.brier));
  print_line("skill", number_text(calibration.skill));
  print_line("accuracy", number_text(calibration.accuracy));
  print_line("macro f1", number_text(calibration.macro_f1));
  print_line("ece", number_text(calibration.ece));
  std::vector<std::string> headings{"PREDICTED \\ ACTUAL"};
  headings.insert(headings.end(), calibration.labels.begin(), calibration.labels.end());
  Table table{headings};
  for (std::size_t row = 0; row < std::min(calibration.labels.size(), calibration.confusion.size()); ++row) {
    std::vector<std::string> cells{calibration.labels[row]};
    for (auto const count : calibration.confusion[row]) cells.push_back(std::to_string(count));
    table.add(std::move(cells));
  }
  fmt::print("{}", table.text());
}

void show_analytics(MatchingOptions const& options) {
  matches::TimeRange const range{read_moment("--from", options.from), read_moment("--to", options.to)};
  read_matching(options, [&](pqxx::transaction_base& transaction) {
    AnalyticsReport const report{matches::read_analytics(transaction, options.domain, range),
                                 matches::read_calibration(transaction, options.domain, range)};
    if (options.json) return fmt::print("{}\n", json::encode(report));
    auto const analytics = json::decode<MatchAnalytics>(report.analytics.text).value();
    print_line("matches", std::to_string(analytics.totalMatches));
    print_line("average score", number_text(analytics.averageOpportunityScore));
    print_line("conversion rate", number_text(analytics.conversionRate));
    for (auto const& each : analytics.topInsightTypes)
      print_line("insights", fmt::format("{} {}", each.count, each.type));
    for (auto const& each : analytics.outcomeDistribution)
      print_line("outcomes", fmt::format("{} {}", each.count, each.outcome));
    print_health(analytics.systemHealth);
    print_calibration(json::decode<MatchCalibration>(report.calibration.text).value());
  });
}

/// The conditions of alerts as a table.
void print_conditions(std::vector<matches::AlertCondition> const& alerts) {
  Table table{{"CONDITION", "TENANT", "VALUE", "THRESHOLD", "STATE"}};
  for (auto const& each : alerts)
    table.add({each.name, each.domain.value_or("-"), each.value ? fmt::format("{}", *each.value) : "-",
               fmt::format("{}", each.threshold), each.holds ? "HOLDS" : "ok"});
  fmt::print("{}", table.text());
}

/// What is known of the workers' health without the database.
struct UnknownHealth {
  std::vector<matches::AlertCondition> alerts;
};
BOOST_DESCRIBE_STRUCT(UnknownHealth, (), (alerts))

/// The condition that the database cannot show.
void show_unreachable(MatchingOptions const& options, std::string_view reason) {
  constexpr double tolerated_seconds = 60;
  UnknownHealth const health{
      {{"database_unreachable", std::nullopt, "database", std::nullopt, tolerated_seconds, true}}};
  fmt::print(stderr, "the database cannot be reached: {}\n", printable(reason));
  if (options.json) return fmt::print("{}\n", json::encode(health));
  print_conditions(health.alerts);
}

void show_health(MatchingOptions const& options, int& exit_code) try {
  read_matching(options, [&](pqxx::transaction_base& transaction) {
    if (options.domain) find_tenant(transaction, options.domain);
    auto const alerts = matches::read_alert_conditions(transaction, options.domain);
    for (auto const& each : alerts)
      if (each.holds) exit_code = 2;
    auto const health = matches::read_system_health(transaction, options.domain);
    if (options.json) return fmt::print("{}\n", health.text);
    print_health(json::decode<WorkersHealth>(health.text).value());
    print_conditions(alerts);
  });
} catch (UnreachableDatabase const& unreachable) {
  exit_code = 2;
  show_unreachable(options, unreachable.what());
} catch (pqxx::broken_connection const& broken) {  // while it was read
  exit_code = 2;
  show_unreachable(options, broken.what());
}

void list_logs(MatchingOptions const& options) {
  read_matching(options, [&](pqxx::transaction_base& transaction) {
    auto const found = matches::read_processing_logs(
        transaction, {options.domain, options.process_type, options.status}, options.page());
    if (options.json) return fmt::print("{}\n", json::encode(ProcessingLogListing{found}));
    Table table{{"CREATED", "WORKER", "ACTION", "STATUS", "TARGET", "MS", "TOKENS", "COST", "ERROR"}};
    for (auto const& each : found)
      table.add({each.created_at, each.process_type, each.action, each.status,
                 each.target_id ? fmt::format("{} {}", each.target_type.value_or(""), to_string(*each.target_id)) : "-",
                 each.processing_time_ms ? std::to_string(*each.processing_time_ms) : "-",
                 each.tokens_used ? std::to_string(*each.tokens_used) : "-", each.cost_usd.value_or("-"),
                 each.error_message.value_or("")});
    fmt::print("{}", table.text());
  });
}

}  // namespace

void add_health_commands(CLI::App& application, int& exit_code) {
  auto const options = std::make_shared<MatchingOptions>();
  auto* analytics =
      application.add_subcommand("analytics", "Show what matches led to, and how well their outcomes were predicted");
  add_reading_options(*analytics, *options);
  analytics->add_option("--domain", options->domain, "Only this tenant");
  analytics->add_option("--from", options->from, "A time or date; by default all");
  analytics->add_option("--to", options->to, "The end, exclusive");
  run_on(*analytics, [options] { show_analytics(*options); });

  auto* health = application.add_subcommand("health", "Show the workers' backlog and the conditions of alerts");
  add_reading_options(*health, *options);
  health->add_option("--domain", options->domain, "Only this tenant");
  health->footer("Ends with 2 when a condition holds; that the database cannot be reached is one.");
  run_on(*health, [options, &exit_code] { show_health(*options, exit_code); });

  auto* logs = application.add_subcommand("logs", "List what the workers that match people did, the newest first");
  add_reading_options(*logs, *options);
  add_list_options(*logs, *options, {"started", "completed", "failed"});
  logs->add_option("--process-type", options->process_type, "Only of this worker, such as match");
  run_on(*logs, [options] { list_logs(*options); });
}

}  // namespace omnibus::cli
