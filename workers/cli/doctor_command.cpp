#include "events/time.hpp"
#include "http/client.hpp"
#include "json/encode.hpp"
#include "kafka/admin.hpp"
#include "kafka/error.hpp"
#include "kafka/partition_reader.hpp"
#include "kafka/topic_plan.hpp"
#include "observability/log.hpp"
#include "postgres/pool.hpp"
#include "workers/cli/cluster_options.hpp"
#include "workers/cli/commands.hpp"
#include "workers/cli/database.hpp"
#include "workers/cli/doctor.hpp"
#include "workers/cli/terminal.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/describe/class.hpp>
#include <fmt/format.h>
#include <pqxx/pqxx>

namespace omnibus::cli {
namespace {

constexpr int something_fails = 2;
constexpr std::chrono::seconds grace{2};

struct Options {
  ClusterOptions cluster;
  std::string database;
  std::string topics_file;
  std::string migrations;
  std::string llm_base_url = "http://127.0.0.1:8090/v1";
  std::string llm_api_key;
  std::string llm_model = "omnibus-small";
  bool json = false;

  kafka::TopicCatalog catalog() const {
    return topics_file.empty() ? kafka::TopicCatalog::built_in() : kafka::TopicCatalog::load(topics_file);
  }
};

struct FindingLine {
  std::string check;
  std::string status;
  std::string seen;
  std::string advice;
};
BOOST_DESCRIBE_STRUCT(FindingLine, (), (check, status, seen, advice))

struct Report {
  bool healthy = true;
  std::vector<FindingLine> checks;
};
BOOST_DESCRIBE_STRUCT(Report, (), (healthy, checks))

// --- what is looked at
// -------------------------------------------------------------------------------------------------

Finding check_broker(Options const& told) {
  return judge_broker(kafka::probe_cluster(told.cluster.settings(), told.cluster.timeout()));
}

Finding check_replication(Options const& told) {
  kafka::Admin const admin{told.cluster.settings(), told.cluster.timeout()};
  return judge_replication(admin.cluster(), admin.embedded());
}

Finding check_topics(Options const& told) {
  kafka::Admin const admin{told.cluster.settings(), told.cluster.timeout()};
  return judge_topics(kafka::plan_topics(told.catalog(), admin.cluster()));
}

/// The newest record of each partition, against our clock.
Finding check_record_clock(Options const& told) {
  kafka::Admin const admin{told.cluster.settings(), told.cluster.timeout()};
  std::vector<kafka::Position> newest;
  auto const cluster = admin.cluster();
  auto const catalog = told.catalog();
  for (auto const& topic : catalog.topics()) {
    if (cluster.find(topic.name) == nullptr) continue;
    auto const marks = admin.watermarks(topic.name);
    for (std::size_t partition = 0; partition < marks.size(); ++partition)
      if (marks[partition].high > marks[partition].low)
        newest.push_back({{topic.name, static_cast<std::int32_t>(partition)}, marks[partition].high - 1});
  }
  kafka::PartitionReader reader{told.cluster.settings(), std::chrono::seconds{3}};
  std::optional<double> ahead;
  for (auto const& timestamp : reader.first_timestamps(newest)) {
    if (!timestamp) continue;
    auto const seconds = static_cast<double>(*timestamp - wall_clock_ms()) / 1000;
    ahead = std::max(ahead.value_or(seconds), seconds);
  }
  return judge_record_clock(ahead);
}

std::unique_ptr<pqxx::connection> bounded_connection(Options const& told) {
  auto connection = connect(told.database);
  pqxx::nontransaction{*connection}.exec("SET statement_timeout = " +
                                         std::to_string(told.cluster.timeout_seconds * 1000));
  return connection;
}

Finding check_database(Options const& told) {
  auto const connection = bounded_connection(told);
  auto const row = pqxx::nontransaction{*connection}
                       .exec(
                           "SELECT current_user, current_setting('server_version_num')::int,"
                           " coalesce((SELECT rolsuper FROM pg_roles WHERE rolname = current_user), false),"
                           " pg_is_in_recovery() OR current_setting('transaction_read_only')::bool,"
                           " current_setting('max_connections')::bigint - (SELECT count(*) FROM pg_stat_activity"
                           " WHERE backend_type = 'client backend')")
                       .one_row();
  return judge_database({row[0].as<std::string>(), row[1].as<std::int32_t>(), row[2].as<bool>(), row[3].as<bool>(),
                         row[4].as<std::int64_t>()});
}

Finding check_migrations(Options const& told) {
  auto const connection = bounded_connection(told);
  auto const folder =
      told.migrations.empty() ? postgres::default_migrations_folder() : std::filesystem::path{told.migrations};
  try {
    return judge_migrations(postgres::Migrator{*connection, postgres::load_migrations(folder)}.status());
  } catch (pqxx::insufficient_privilege const&) {
    return Finding::warn("this role may not read what is applied",
                         "give --database (DATABASE_URL) of the role that migrates");
  }
}

Finding check_outbox(Options const& told) {
  auto const connection = bounded_connection(told);
  try {
    auto const row = pqxx::nontransaction{*connection}
                         .exec(
                             "SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)"
                             "::float8 FROM pipeline.outbox")
                         .one_row();
    return judge_outbox(row[0].as<std::int64_t>(), row[1].as<double>());
  } catch (pqxx::insufficient_privilege const&) {
    return Finding::warn("this role may not read it",
                         "give --database of the role omnibus_operator or omnibus_readonly");
  } catch (pqxx::undefined_table const&) {
    return Finding::fail("there is none", "run omnibus migrate up");
  } catch (pqxx::sql_error const& error) {
    if (std::string_view{error.sqlstate()} != "3F000") throw;  // no such schema
    return Finding::fail("there is none", "run omnibus migrate up");
  }
}

Finding check_database_clock(Options const& told) {
  auto const connection = bounded_connection(told);
  pqxx::nontransaction query{*connection};
  auto const before = wall_clock_ms();
  auto const theirs = query.query_value<double>("SELECT extract(epoch FROM clock_timestamp())::float8");
  auto const ours = static_cast<double>(before + wall_clock_ms()) / 2000;
  return judge_database_clock(theirs - ours);
}

Finding check_model(Options const& told) {
  auto base = told.llm_base_url;
  while (base.ends_with('/')) base.pop_back();
  auto const url = http::parse_url(base + "/models");
  if (!url) return Finding::fail("LLM_BASE_URL is no address", "set it as https://api.openai.com/v1");
  http::ClientRequest request;
  request.url = *url;
  if (!told.llm_api_key.empty()) request.headers.add("Authorization", "Bearer " + told.llm_api_key);
  request.deadline = told.cluster.timeout();
  request.max_response_bytes = 4 * 1024 * 1024;
  boost::asio::io_context context{1};
  http::Client client{context};
  http::Response response;
  std::exception_ptr failed;
  boost::asio::co_spawn(context, client.fetch(request), [&](std::exception_ptr error, http::Response answer) {
    failed = error;
    response = std::move(answer);
    context.stop();
  });
  context.run();
  try {
    if (failed) std::rethrow_exception(failed);
  } catch (http::ClientError const& error) {
    return Finding::fail(fmt::format("no answer from {}: {}", url->origin(), error.what()),
                         "check LLM_BASE_URL, and that this machine may reach it");
  }
  return judge_models(response.status, response.body, told.llm_model);
}

// --- looking
// -----------------------------------------------------------------------------------------------------------

using Look = Finding (*)(Options const&);

/// A look that fails is a finding as well.
Finding examine(Look look, Options const& told, std::string const& setting) {
  try {
    return look(told);
  } catch (std::exception const& error) {
    std::string text = error.what();
    while (text.ends_with('\n')) text.pop_back();
    return Finding::fail(printable(text, 300), "check " + setting);
  }
}

struct Check {
  std::string name;
  Look look;
  std::string setting;
};

std::vector<Check> checks() {
  std::string const kafka = "KAFKA_BROKERS (--brokers), KAFKA_OPTIONS, and that Kafka runs";
  std::string const database = "DATABASE_URL (--database), and that PostgreSQL runs";
  return {{"kafka", check_broker, kafka},
          {"replication", check_replication, kafka},
          {"topics", check_topics, kafka},
          {"database", check_database, database},
          {"migrations", check_migrations, database + "; --dir for the folder of migrations"},
          {"outbox", check_outbox, database},
          {"clock (database)", check_database_clock, database},
          {"clock (records)", check_record_clock, kafka},
          {"model", check_model, "LLM_BASE_URL"}};
}

/// All at once, each on a thread that is left behind if it does not come back in time.
/// @return whether all came back
bool examine_all(std::shared_ptr<Options const> const& options, Report& report) {
  auto const deadline = std::chrono::steady_clock::now() + options->cluster.timeout() + grace;
  std::vector<std::pair<Check, std::future<Finding>>> running;
  for (auto const& check : checks()) {
    auto promise = std::make_shared<std::promise<Finding>>();
    running.emplace_back(check, promise->get_future());
    std::thread{[promise, options, check] {
      promise->set_value(examine(check.look, *options, check.setting));
    }}.detach();
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

void print(Report const& report) {
  Table table{{"CHECK", "STATUS", "SEEN"}};
  for (auto const& each : report.checks) table.add({each.check, each.status, each.seen});
  fmt::print("{}", table.text());
  for (auto const& each : report.checks)
    if (!each.advice.empty()) fmt::print("\n{} ({}): {}\n", each.check, each.status, printable(each.advice));
}

int run(std::shared_ptr<Options> const& options) {
  if (auto const* const key = std::getenv("LLM_API_KEY")) options->llm_api_key = key;  // never on a command line
  Report report;
  auto const all = examine_all(options, report);
  if (options->json)
    fmt::print("{}\n", json::encode(report));
  else
    print(report);
  std::fflush(stdout);
  auto const code = report.healthy ? 0 : something_fails;
  if (!all) std::_Exit(code);  // a look that hangs would be waited for
  return code;
}

}  // namespace

void add_doctor_command(CLI::App& application, int& exit_code) {
  auto* command = application.add_subcommand(
      "doctor", "Look at Kafka, the database, topics, migrations, clocks and the model, and say what to do");
  auto const options = std::make_shared<Options>();
  options->cluster.timeout_seconds = 5;
  command->footer(
      "Changes nothing. Exit code 0 when nothing fails (warnings included), 2 when something does. The model's key is "
      "read "
      "from LLM_API_KEY, and never shown.");
  add_cluster_options(*command, options->cluster);
  add_database_option(*command, options->database);
  command->add_option("--file", options->topics_file, "The topics file; without it the one this binary was built with");
  command->add_option("--dir", options->migrations,
                      "The folder of migrations; by default ./migrations, or that of the source");
  command->add_option("--llm-url", options->llm_base_url, "OpenAI-compatible endpoint")
      ->envname("LLM_BASE_URL")
      ->capture_default_str();
  command->add_option("--llm-model", options->llm_model, "The model workers ask")
      ->envname("LLM_MODEL")
      ->capture_default_str();
  command->add_flag("--json", options->json, "One JSON object instead of text");
  command->callback([options, &exit_code] {
    log::configure("omnibus", log::Level::off);  // what goes wrong is in the table
    exit_code = run(options);
  });
}

}  // namespace omnibus::cli
