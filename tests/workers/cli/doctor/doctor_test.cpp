#include "workers/cli/doctor/doctor.hpp"

#include <string>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::cli;
using Status = Finding::Status;
using postgres::MigrationState;

namespace {

kafka::TopicState topic(std::string name, std::int32_t replicas, std::string const& in_sync) {
  kafka::TopicState made{std::move(name), 12, replicas, {}};
  made.configs = {{"min.insync.replicas", {in_sync, true}}};
  return made;
}

Finding replication(kafka::TopicState state) {
  return judge_replication({3, {topic("orders", 3, "2"), std::move(state)}}, false);
}

kafka::TopicChange change(kafka::ChangeKind kind, std::string name) {
  kafka::TopicSpec spec;
  spec.name = std::move(name);
  return {kind, spec, 0, {}, ""};
}

/// Every finding that is not well says what to do.
Status status_of(Finding const& finding) {
  CHECK(finding.advice.empty() == (finding.status == Status::ok));
  CHECK_FALSE(finding.seen.empty());
  return finding.status;
}

}  // namespace

TEST_CASE("a low limit of descriptors is named with what raises it") {
  CHECK(status_of(judge_descriptors(1'048'576)) == Status::ok);
  auto const low = judge_descriptors(4096);
  CHECK(status_of(low) == Status::warn);
  CHECK(low.advice.find("ulimit -Hn") != std::string::npos);
}

TEST_CASE("a broker is judged by what it can do") {
  CHECK(status_of(judge_broker({true, true, false})) == Status::ok);
  CHECK(status_of(judge_broker({false, true, false})) == Status::warn);
  CHECK(status_of(judge_broker({true, false, true})) == Status::warn);
}

TEST_CASE("replication: what cannot be written now fails, what the next loss would stop warns") {
  CHECK(status_of(replication(topic("a", 3, "2"))) == Status::ok);
  CHECK(status_of(replication(topic("a", 3, "1"))) == Status::ok);
  CHECK(status_of(replication(topic("a", 1, "1"))) == Status::warn);
  CHECK(status_of(replication(topic("a", 2, "2"))) == Status::warn);
  CHECK(status_of(replication(topic("a", 2, "3"))) == Status::fail);
  auto lost = topic("a", 3, "2");
  lost.leaderless = 1;
  CHECK(status_of(replication(lost)) == Status::fail);
  auto behind = topic("a", 3, "2");
  behind.under_replicated = 1;
  CHECK(status_of(replication(behind)) == Status::warn);
  CHECK(status_of(judge_replication({1, {{"a", 4, 1, {}}}}, true)) == Status::ok);
}

TEST_CASE("topics: a missing one fails, and a missing .dlq says what it costs; another config warns") {
  kafka::TopicPlan plan;
  CHECK(status_of(judge_topics(plan)) == Status::ok);
  plan.changes.push_back(change(kafka::ChangeKind::alter_configs, "orders"));
  CHECK(status_of(judge_topics(plan)) == Status::warn);
  plan.changes.push_back(change(kafka::ChangeKind::create, "orders.dlq"));
  auto const missing = judge_topics(plan);
  CHECK(status_of(missing) == Status::fail);
  CHECK(missing.seen.find("orders.dlq") != std::string::npos);
  CHECK(missing.advice.find("park") != std::string::npos);
}

TEST_CASE("a cluster that keeps personal data for longer than promised fails, and another topic's segments do not") {
  auto const yaml = [](char const* pii) {
    return kafka::TopicCatalog::parse(std::string{"topics:\n  - { name: t, partitions: 1, owner: a, events: [], "
                                                  "consumers: [], configs: { segment.ms: 3600000 }, pii: "} +
                                      pii + " }\n");
  };
  kafka::ClusterState const cluster{
      1,
      {{"t", 1, 1, {{{"segment.ms", {"604800000", false}}, {"message.timestamp.after.max.ms", {"3600000", true}}}}}}};
  auto const personal = judge_topics(kafka::plan_topics(yaml("true"), cluster));
  CHECK(status_of(personal) == Status::fail);
  CHECK(personal.seen == "personal data outlives its retention: t");
  CHECK(status_of(judge_topics(kafka::plan_topics(yaml("false"), cluster))) == Status::warn);
}

TEST_CASE("a database is judged by version, role, and whether it can be written") {
  CHECK(status_of(judge_database({"omnibus_operator", 150'004, false, false, 100})) == Status::ok);
  CHECK(status_of(judge_database({"postgres", 150'004, true, false, 100})) == Status::warn);
  CHECK(status_of(judge_database({"omnibus_chat", 150'004, false, false, 3})) == Status::warn);
  CHECK(status_of(judge_database({"omnibus_chat", 150'004, false, true, 100})) == Status::fail);
  CHECK(status_of(judge_database({"omnibus_chat", 140'011, false, false, 100})) == Status::fail);
}

TEST_CASE("migrations: pending and changed ones fail, unknown ones warn") {
  CHECK(status_of(judge_migrations({{"1", "1_a.sql", MigrationState::applied}})) == Status::ok);
  CHECK(status_of(judge_migrations({{"1", "1_a.sql", MigrationState::pending}})) == Status::fail);
  CHECK(status_of(judge_migrations({{"1", "1_a.sql", MigrationState::changed}})) == Status::fail);
  CHECK(status_of(judge_migrations({{"1", "", MigrationState::missing}})) == Status::warn);
}

TEST_CASE("clocks and the outbox: a little is well, more warns, much fails") {
  CHECK(status_of(judge_database_clock(-0.4)) == Status::ok);
  CHECK(status_of(judge_database_clock(-4)) == Status::warn);
  CHECK(status_of(judge_database_clock(3600)) == Status::fail);
  CHECK(status_of(judge_record_clock({})) == Status::ok);
  CHECK(status_of(judge_record_clock(-86'400)) == Status::ok);
  CHECK(status_of(judge_record_clock(4)) == Status::warn);
  CHECK(status_of(judge_record_clock(3600)) == Status::fail);
  CHECK(status_of(judge_outbox({})) == Status::ok);
  CHECK(status_of(judge_outbox({5, 2, 0, ""})) == Status::ok);
  CHECK(status_of(judge_outbox({5, 120, 0, ""})) == Status::warn);
  auto const refused = judge_outbox({0, 0, 7, "chat.replies (7): unknown topic"});
  CHECK(refused.status == Status::warn);
  CHECK(refused.seen == "7 rows are refused: chat.replies (7): unknown topic; empty");
  CHECK(refused.advice.find("omnibus dlq redrive --refused") != std::string::npos);
}

TEST_CASE("deferred events: overdue ones and very many warn, each with where to look") {
  CHECK(status_of(judge_deferred({})) == Status::ok);
  auto const some = judge_deferred({5, 0, 60, "notify (5)"});
  CHECK(some.status == Status::ok);
  CHECK(some.seen == "5 wait, the oldest for 60 s: notify (5)");
  auto const late = judge_deferred({5, 2, 60, "notify (5)"});
  CHECK(late.status == Status::warn);
  CHECK(late.seen.ends_with("; 2 keys are overdue"));
  CHECK(status_of(judge_deferred({200'000, 0, 60, "notify (200000)"})) == Status::warn);
}

TEST_CASE("deliveries: late ones and those in doubt warn, each with where to look") {
  CHECK(status_of(judge_deliveries(0, 0)) == Status::ok);
  auto const late = judge_deliveries(2, 0);
  CHECK(status_of(late) == Status::warn);
  CHECK(late.advice.find("omnibus-notify") != std::string::npos);
  CHECK(late.advice.find("resolve") == std::string::npos);
  auto const doubtful = judge_deliveries(0, 3);
  CHECK(status_of(doubtful) == Status::warn);
  CHECK(doubtful.advice.starts_with("omnibus delivery ls --state in_doubt"));
  CHECK(judge_deliveries(2, 3).advice == late.advice + "; " + doubtful.advice);
}

TEST_CASE("a model endpoint: no entry fails, no list and no such model warn") {
  CHECK(status_of(judge_models(200, R"({"data":[{"id":"a"},{"id":"b"}]})", "b")) == Status::ok);
  CHECK(status_of(judge_models(200, R"({"data":[{"id":"a"}]})", "b")) == Status::warn);
  CHECK(status_of(judge_models(200, "<html>", "b")) == Status::warn);
  CHECK(status_of(judge_models(404, "", "b")) == Status::warn);
  CHECK(status_of(judge_models(429, "", "b")) == Status::warn);
  CHECK(judge_models(401, "", "b").advice.find("LLM_API_KEY") != std::string::npos);
  CHECK(status_of(judge_models(403, "", "b")) == Status::fail);
  CHECK(status_of(judge_models(503, "", "b")) == Status::fail);
}

TEST_CASE("a table over its retention is named, and one that the role may not read") {
  CHECK(judge_retention({}).status == Finding::Status::ok);
  auto const over = judge_retention({{"pipeline.inbox", "pipeline.spend"}, {"access_log"}});
  CHECK(over.status == Finding::Status::warn);
  CHECK(over.seen == "over their retention: pipeline.inbox, pipeline.spend");
  CHECK(over.advice.find("omnibus-gdpr") != std::string::npos);
  auto const hidden = judge_retention({{}, {"access_log"}});
  CHECK(hidden.status == Finding::Status::warn);
  CHECK(hidden.seen.find("access_log") != std::string::npos);
}
