#include "json/encode.hpp"
#include "observability/log.hpp"
#include "workers/cli/commands.hpp"
#include "workers/cli/database/database.hpp"
#include "workers/cli/doctor/doctor_checks.hpp"
#include "workers/cli/terminal/terminal.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <boost/describe/class.hpp>
#include <fmt/format.h>

namespace omnibus::cli {
namespace {

constexpr int something_fails = 2;
constexpr std::chrono::seconds grace{2};

struct FindingLine {
  std::string check;
  std::string status;
  std::string seen;
  std::string advice;
};
BOOST_DESCRIBE_STRUCT(FindingLine, (), (check, status, seen, advice))

struct DoctorReport {
  bool healthy = true;
  std::vector<FindingLine> checks;
};
BOOST_DESCRIBE_STRUCT(DoctorReport, (), (healthy, checks))

/// A check that throws is a finding as well.
Finding examine(Check const& check, DoctorOptions const& told) {
  try {
    return check.look(told);
  } catch (std::exception const& error) {
    std::string text = error.what();
    while (text.ends_with('\n')) text.pop_back();
    return Finding::fail(printable(text, 300), "check " + check.setting);
  }
}

/// All at once, each on a thread that is abandoned if it does not return in time.
/// @return whether all returned
bool examine_all(std::shared_ptr<DoctorOptions const> const& options, DoctorReport& report) {
  auto const deadline = std::chrono::steady_clock::now() + options->cluster.timeout() + grace;
  std::vector<std::pair<Check, std::future<Finding>>> running;
  for (auto const& check : doctor_checks()) {
    auto promise = std::make_shared<std::promise<Finding>>();
    running.emplace_back(check, promise->get_future());
    std::thread{[promise, options, check] { promise->set_value(examine(check, *options)); }}.detach();
  }
  auto all = true;
  for (auto& [check, future] : running) {
    auto const in_time = future.wait_until(deadline) == std::future_status::ready;
    all = all && in_time;
    auto const finding = in_time ? future.get()
                                 : Finding::fail(fmt::format("no answer within {} s", options->cluster.timeout_seconds),
                                                 "check " + check.setting);
    report.healthy = report.healthy && finding.status != Finding::Status::fail;
    report.checks.push_back({check.name, std::string{to_string(finding.status)}, finding.seen, finding.advice});
  }
  return all;
}

void print(DoctorReport const& report) {
  Table table{{"CHECK", "STATUS", "SEEN"}};
  for (auto const& each : report.checks) table.add({each.check, each.status, each.seen});
  fmt::print("{}", table.text());
  for (auto const& each : report.checks)
    if (!each.advice.empty()) fmt::print("\n{} ({}): {}\n", each.check, each.status, printable(each.advice));
}

int run(std::shared_ptr<DoctorOptions> const& options) {
  for (auto const* const name : {"OPENAI_API_KEY", "LLM_API_KEY"})  // never on a command line; the last that is set
    if (auto const* const key = std::getenv(name); key != nullptr && *key != '\0') options->llm_api_key = key;
  DoctorReport report;
  auto const all = examine_all(options, report);
  if (options->json)
    fmt::print("{}\n", json::encode(report));
  else
    print(report);
  std::fflush(stdout);
  auto const code = report.healthy ? 0 : something_fails;
  if (!all) std::_Exit(code);  // a hanging check would be waited for
  return code;
}

}  // namespace

void add_doctor_command(CLI::App& application, int& exit_code) {
  auto* command = application.add_subcommand(
      "doctor", "Check Kafka, the database, topics, migrations, clocks and the model, and say what to do");
  auto const options = std::make_shared<DoctorOptions>();
  options->cluster.timeout_seconds = 5;
  command->footer(
      "Changes nothing. Exit code 0 if no check fails (warnings do not count), else 2. The model's key is "
      "read from LLM_API_KEY, else from OPENAI_API_KEY, and never shown.");
  add_cluster_options(*command, options->cluster);
  add_database_option(*command, options->database);
  command->add_option("--file", options->topics_file, "The topics file; default: the one built into this binary");
  command->add_option("--dir", options->migrations,
                      "The folder of migrations; by default ./migrations, or that of the source");
  command->add_option("--llm-url", options->llm_base_url, "OpenAI-compatible endpoint")
      ->envname("LLM_BASE_URL")
      ->capture_default_str();
  command->add_option("--llm-model", options->llm_model, "The model that workers use")
      ->envname("LLM_MODEL")
      ->capture_default_str();
  command->add_flag("--json", options->json, "One JSON object instead of text");
  command->callback([options, &exit_code] {
    log::configure("omnibus", log::Level::off);  // errors are in the table
    exit_code = run(options);
  });
}

}  // namespace omnibus::cli
