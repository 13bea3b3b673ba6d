#include "workers/cli/doctor/doctor_checks.hpp"

#include "config/descriptors.hpp"
#include "http/client.hpp"
#include "kafka/admin.hpp"
#include "kafka/partition_reader.hpp"
#include "kafka/topic_plan.hpp"
#include "postgres/pool.hpp"
#include "postgres/rows.hpp"
#include "time/time.hpp"
#include "workers/cli/database/database.hpp"

#include <algorithm>
#include <chrono>
#include <exception>
#include <filesystem>
#include <memory>
#include <optional>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/describe/class.hpp>
#include <fmt/format.h>
#include <pqxx/pqxx>

namespace omnibus::cli {
namespace {

Finding check_descriptors(DoctorOptions const&) {
  return judge_descriptors(config::highest_descriptor_limit());
}

Finding check_broker(DoctorOptions const& told) {
  return judge_broker(kafka::probe_cluster(told.cluster.settings(), told.cluster.timeout()));
}

Finding check_replication(DoctorOptions const& told) {
  kafka::Admin const admin{told.cluster.settings(), told.cluster.timeout()};
  return judge_replication(admin.cluster(), admin.embedded());
}

Finding check_topics(DoctorOptions const& told) {
  kafka::Admin const admin{told.cluster.settings(), told.cluster.timeout()};
  return judge_topics(kafka::plan_topics(told.catalog(), admin.cluster()));
}

/// The newest record of each partition, against our clock.
Finding check_record_clock(DoctorOptions const& told) {
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

std::unique_ptr<pqxx::connection> bounded_connection(DoctorOptions const& told) {
  auto connection = connect(told.database);
  pqxx::nontransaction{*connection}.exec("SET statement_timeout = " +
                                         std::to_string(told.cluster.timeout_seconds * 1000));
  return connection;
}

Finding check_database(DoctorOptions const& told) {
  auto const connection = bounded_connection(told);
  pqxx::nontransaction query{*connection};
  return judge_database(postgres::read_one<DatabaseState>(
      query,
      "SELECT current_user AS role, current_setting('server_version_num')::int AS version,"
      " coalesce((SELECT rolsuper FROM pg_roles WHERE rolname = current_user), false) AS superuser,"
      " pg_is_in_recovery() OR current_setting('transaction_read_only')::bool AS read_only,"
      " current_setting('max_connections')::bigint - (SELECT count(*) FROM pg_stat_activity"
      " WHERE backend_type = 'client backend') AS connections_left"));
}

Finding check_migrations(DoctorOptions const& told) {
  auto const connection = bounded_connection(told);
  auto const folder =
      told.migrations.empty() ? postgres::default_migrations_folder() : std::filesystem::path{told.migrations};
  try {
    return judge_migrations(postgres::Migrator{*connection, postgres::load_migrations(folder)}.status());
  } catch (pqxx::insufficient_privilege const&) {
    return Finding::warn("this role may not read the applied migrations",
                         "set --database (DATABASE_URL) to the role that migrates");
  }
}

/// Runs a query that returns one row of our tables, and judges it.
template <class Row>
Finding check_table(DoctorOptions const& told, std::string_view sql, Finding (*judge)(Row const&)) {
  auto const connection = bounded_connection(told);
  try {
    pqxx::nontransaction query{*connection};
    return judge(postgres::read_one<Row>(query, sql));
  } catch (pqxx::insufficient_privilege const&) {
    return Finding::warn("this role may not read it",
                         "set --database to the role omnibus_operator or omnibus_readonly");
  } catch (pqxx::undefined_table const&) {
    return Finding::fail("there is none", "run omnibus migrate up");
  } catch (pqxx::undefined_function const&) {
    return Finding::fail("there is none", "run omnibus migrate up");
  } catch (pqxx::sql_error const& error) {
    if (std::string_view{error.sqlstate()} != "3F000") throw;  // no such schema
    return Finding::fail("there is none", "run omnibus migrate up");
  }
}

Finding check_outbox(DoctorOptions const& told) {
  return check_table<OutboxState>(
      told,
      "SELECT count(*) FILTER (WHERE refused IS NULL) AS waiting, coalesce(extract(epoch FROM clock_timestamp() -"
      " min(created_at) FILTER (WHERE refused IS NULL)), 0)::float8 AS oldest_s, count(refused) AS refused,"
      " coalesce((SELECT string_agg(topic || ' (' || rows || '): ' || reason, '; ') FROM (SELECT topic,"
      " count(*) AS rows, min(refused) AS reason FROM pipeline.outbox WHERE refused IS NOT NULL GROUP BY topic"
      " ORDER BY count(*) DESC, topic LIMIT 4) AS most), '') AS refusals FROM pipeline.outbox",
      judge_outbox);
}

Finding check_deferred(DoctorOptions const& told) {
  // Followers keep the time at which the first of their key was due when they came: only the first one's tells.
  return check_table<DeferredState>(
      told,
      "SELECT count(*) AS records, coalesce(extract(epoch FROM now() - min(arrived_at)), 0)::float8 AS oldest_s,"
      " (SELECT count(*) FROM (SELECT DISTINCT ON (consumer, topic, partition, key_hash) due_at"
      " FROM pipeline.deferred_records ORDER BY consumer, topic, partition, key_hash, record_offset) AS head"
      " WHERE due_at < now() - interval '10 minutes') AS keys_late,"
      " coalesce((SELECT string_agg(consumer || ' (' || rows || ')', ', ') FROM (SELECT consumer, count(*) AS rows"
      " FROM pipeline.deferred_records GROUP BY consumer ORDER BY count(*) DESC, consumer LIMIT 4) AS most), '')"
      " AS consumers FROM pipeline.deferred_records",
      judge_deferred);
}

struct DeliveriesState {
  std::int64_t late = 0;
  std::int64_t in_doubt = 0;
};
BOOST_DESCRIBE_STRUCT(DeliveriesState, (), (late, in_doubt))

Finding check_deliveries(DoctorOptions const& told) {
  // By the planned time: deliveries that are rejected again and again change all the time.
  return check_table<DeliveriesState>(
      told,
      "SELECT count(*) FILTER (WHERE state <> 'in_doubt' AND planned_at < now() - interval '15 minutes') AS late,"
      " count(*) FILTER (WHERE state = 'in_doubt') AS in_doubt FROM pipeline.delivery"
      " WHERE state IN ('planned', 'claimed', 'dispatching', 'in_doubt')",
      [](DeliveriesState const& deliveries) { return judge_deliveries(deliveries.late, deliveries.in_doubt); });
}

Finding check_senders(DoctorOptions const& told) {
  return check_table<SenderState>(told, "SELECT unserved, sharing, orphaned FROM pipeline.sender_state()",
                                  &judge_senders);
}

Finding check_retention(DoctorOptions const& told) {
  constexpr std::chrono::hours unlimited{24 * 36'500};
  auto const connection = bounded_connection(told);
  pqxx::read_transaction transaction{*connection};
  return judge_retention(retention::find_overdue(transaction, told.catalog().longest_retention().value_or(unlimited)));
}

Finding check_database_clock(DoctorOptions const& told) {
  auto const connection = bounded_connection(told);
  pqxx::nontransaction query{*connection};
  auto const before = wall_clock_ms();
  auto const theirs = query.query_value<double>("SELECT extract(epoch FROM clock_timestamp())::float8");
  auto const ours = static_cast<double>(before + wall_clock_ms()) / 2000;
  return judge_database_clock(theirs - ours);
}

Finding check_model(DoctorOptions const& told) {
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
                         "check LLM_BASE_URL, and that this machine can reach it");
  }
  return judge_models(response.status, response.body, told.llm_model);
}

}  // namespace

std::vector<Check> doctor_checks() {
  std::string const kafka = "KAFKA_BROKERS (--brokers), KAFKA_OPTIONS, and that Kafka runs";
  std::string const database = "DATABASE_URL (--database), and that PostgreSQL runs";
  return {{"kafka", check_broker, kafka},
          {"replication", check_replication, kafka},
          {"topics", check_topics, kafka},
          {"database", check_database, database},
          {"migrations", check_migrations, database + "; --dir for the folder of migrations"},
          {"outbox", check_outbox, database},
          {"deferred", check_deferred, database},
          {"deliveries", check_deliveries, database},
          {"senders", check_senders, database},
          {"retention", check_retention, database},
          {"clock (database)", check_database_clock, database},
          {"clock (records)", check_record_clock, kafka},
          {"descriptors", check_descriptors, "ulimit -n"},
          {"model", check_model, "LLM_BASE_URL"}};
}

}  // namespace omnibus::cli
