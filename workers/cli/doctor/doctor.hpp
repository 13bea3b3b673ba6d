/// Judges the doctor's observations. Pure; each finding names the setting or command that helps.
#pragma once

#include "kafka/admin.hpp"
#include "kafka/topic_plan.hpp"
#include "postgres/migrations.hpp"
#include "retention/kept_tables.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/describe/class.hpp>

namespace omnibus::cli {

/// A status, the observation and, unless it is ok, the advice.
struct Finding {
  enum class Status { ok, warn, fail };

  Status status = Status::ok;
  std::string seen;
  std::string advice;

  static Finding ok(std::string seen) { return {Status::ok, std::move(seen), {}}; }
  static Finding warn(std::string seen, std::string advice) {
    return {Status::warn, std::move(seen), std::move(advice)};
  }
  static Finding fail(std::string seen, std::string advice) {
    return {Status::fail, std::move(seen), std::move(advice)};
  }
};
std::string_view to_string(Finding::Status status);

Finding judge_broker(kafka::ClusterAbilities const& abilities);

/// Leaders, replicas, and how many replicas may fail before writing stops.
Finding judge_replication(kafka::ClusterState const& cluster, bool embedded);

/// Missing topics (dead-letter topics by name), personal data that outlives its retention, and drift.
Finding judge_topics(kafka::TopicPlan const& plan);

struct DatabaseState {
  std::string role;
  std::int32_t version = 0;  ///< as server_version_num
  bool superuser = false;
  bool read_only = false;
  std::int64_t connections_left = 0;
};
BOOST_DESCRIBE_STRUCT(DatabaseState, (), (role, version, superuser, read_only, connections_left))
Finding judge_database(DatabaseState const& state);

Finding judge_migrations(std::vector<postgres::MigrationStatus> const& migrations);

struct OutboxState {
  std::int64_t waiting = 0;
  double oldest_s = 0;
  std::int64_t refused = 0;
  std::string refusals;  ///< topics of refused rows with their reasons
};
BOOST_DESCRIBE_STRUCT(OutboxState, (), (waiting, oldest_s, refused, refusals))

/// Rows that wait to be published, the age of the oldest, and rows that the broker refuses.
Finding judge_outbox(OutboxState const& outbox);

/// Events that wait in the database because they were deferred.
struct DeferredState {
  std::int64_t records = 0;
  std::int64_t keys_late = 0;  ///< whose first event was due 10 minutes ago or earlier
  double oldest_s = 0;         ///< since the oldest one arrived
  std::string consumers{};     ///< those with most, with their numbers
};
BOOST_DESCRIBE_STRUCT(DeferredState, (), (records, keys_late, oldest_s, consumers))
Finding judge_deferred(DeferredState const& state);

/// Messages to people that are open for longer than 15 minutes, and those in doubt.
Finding judge_deliveries(std::int64_t late, std::int64_t in_doubt);

/// Who sends from where, by names of tenants with their channel.
struct SenderState {
  std::vector<std::string> unserved;  ///< tenants with messages that had no sender
  std::vector<std::string> sharing;   ///< tenants that share the sender of the settings
  std::vector<std::string> orphaned;  ///< senders without an active tenant
};
BOOST_DESCRIBE_STRUCT(SenderState, (), (unserved, sharing, orphaned))
Finding judge_senders(SenderState const& state);

/// Tables with rows that should have been deleted, and tables that the role may not read.
Finding judge_retention(retention::Overdue const& overdue);

/// How far PostgreSQL's clock is ahead of ours.
Finding judge_database_clock(double seconds_ahead);

/// How far the newest record of any topic is ahead of our clock; absent when there is no record.
Finding judge_record_clock(std::optional<double> seconds_ahead);

/// The highest limit of file descriptors that a process of this user may set.
Finding judge_descriptors(std::uint64_t highest);

/// The response to GET <base>/models.
Finding judge_models(int status, std::string_view body, std::string const& model);

}  // namespace omnibus::cli
