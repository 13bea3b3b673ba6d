#include "workers/cli/doctor/doctor.hpp"

#include "json/decode.hpp"
#include "workers/cli/terminal/terminal.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace omnibus::cli {
namespace {

constexpr std::int32_t oldest_postgresql = 150'000;
constexpr std::int64_t few_connections = 10;
constexpr double small_skew = 1;
constexpr double large_skew = 30;
constexpr double old_row = 60;
constexpr std::int64_t many_deferred = 100'000;
constexpr std::uint64_t enough_descriptors = 16'384;

struct ServedModel {
  std::string id;
};
BOOST_DESCRIBE_STRUCT(ServedModel, (), (id))
struct ModelList {
  std::vector<ServedModel> data;
};
BOOST_DESCRIBE_STRUCT(ModelList, (), (data))

/// "a, b, c and 9 more"
std::string some_of(std::vector<std::string> const& names) {
  constexpr std::size_t most = 4;
  std::string text;
  for (std::size_t i = 0; i < std::min(most, names.size()); ++i) text += (i > 0 ? ", " : "") + names[i];
  if (names.size() > most) text += fmt::format(" and {} more", names.size() - most);
  return text;
}

std::int32_t in_sync_needed(kafka::TopicState const& topic) {
  if (!topic.configs) return 1;
  auto const found = topic.configs->find("min.insync.replicas");
  std::int32_t needed = 1;
  if (found != topic.configs->end()) {
    auto const& text = found->second.value;
    std::from_chars(text.data(), text.data() + text.size(), needed);
  }
  return needed;
}

}  // namespace

std::string_view to_string(Finding::Status status) {
  return status == Finding::Status::ok ? "ok" : status == Finding::Status::warn ? "warn" : "fail";
}

Finding judge_broker(kafka::ClusterAbilities const& abilities) {
  if (abilities.embedded)
    return Finding::warn("the embedded broker answers",
                         "it keeps everything in memory and is for demos and tests: set KAFKA_BROKERS to Apache Kafka "
                         "for production");
  if (!abilities.consumer_protocol)
    return Finding::warn(
        "answers, without KIP-848 groups",
        "groups use the older protocol, which interrupts all members when one joins or leaves: Apache Kafka "
        "4.0 or newer has the new one");
  return Finding::ok("answers, with KIP-848 groups");
}

Finding judge_replication(kafka::ClusterState const& cluster, bool embedded) {
  std::vector<std::string> leaderless;
  std::vector<std::string> behind;
  std::vector<std::string> single;
  std::vector<std::string> brittle;
  std::vector<std::string> impossible;
  for (auto const& topic : cluster.topics) {
    auto const needed = in_sync_needed(topic);
    if (topic.leaderless > 0) leaderless.push_back(topic.name);
    if (topic.under_replicated > 0) behind.push_back(topic.name);
    if (topic.replication_factor < 2) single.push_back(topic.name);
    if (needed > topic.replication_factor)
      impossible.push_back(topic.name);
    else if (needed > 1 && needed == topic.replication_factor)
      brittle.push_back(topic.name);
  }
  auto const brokers = fmt::format("{} broker{}", cluster.brokers, cluster.brokers == 1 ? "" : "s");
  if (!leaderless.empty())
    return Finding::fail(fmt::format("{}; no leader for partitions of {}", brokers, some_of(leaderless)),
                         "they cannot be read or written until a broker that has them is back: start it");
  if (!impossible.empty())
    return Finding::fail(
        fmt::format("{}; min.insync.replicas exceeds the replicas of {}", brokers, some_of(impossible)),
        "nothing can be published to them: run omnibus topics plan");
  if (!behind.empty())
    return Finding::warn(fmt::format("{}; replicas out of sync for {}", brokers, some_of(behind)),
                         "a broker is down or slow: if one more fails, publishing may stop");
  if (!single.empty() && !embedded)
    return Finding::warn(fmt::format("{}; a single replica of {}", brokers, some_of(single)),
                         "records that this broker loses are lost: run three brokers, and Kafka's reassignment tool to "
                         "replication_factor of topics.yaml");
  if (!brittle.empty())
    return Finding::warn(fmt::format("{}; min.insync.replicas is all replicas of {}", brokers, some_of(brittle)),
                         "publishing stops when one broker is down: give them more replicas");
  return Finding::ok(
      fmt::format("{}, {} topics, every partition has its leader and replicas", brokers, cluster.topics.size()));
}

Finding judge_topics(kafka::TopicPlan const& plan) {
  std::vector<std::string> missing;
  std::vector<std::string> different;
  std::vector<std::string> kept_longer;
  for (auto const& change : plan.changes) {
    (change.kind == kafka::ChangeKind::create ? missing : different).push_back(change.topic.name);
    if (change.topic.pii && change.kind == kafka::ChangeKind::alter_configs &&
        (change.configs.contains("segment.ms") || change.configs.contains("message.timestamp.after.max.ms")))
      kept_longer.push_back(change.topic.name);
  }
  if (!missing.empty())
    return Finding::fail(fmt::format("missing: {}", some_of(missing)),
                         std::ranges::any_of(missing, [](auto const& name) { return name.ends_with(".dlq"); })
                             ? "run omnibus topics apply; a worker without its .dlq cannot park what it cannot handle"
                             : "run omnibus topics apply");
  if (!kept_longer.empty())
    return Finding::fail(fmt::format("personal data outlives its retention: {}", some_of(kept_longer)),
                         "run omnibus topics apply: it sets segment.ms and message.timestamp.after.max.ms");
  if (!different.empty())
    return Finding::warn(fmt::format("other than topics.yaml: {}", some_of(different)),
                         "omnibus topics plan lists the differences, omnibus topics apply makes the safe changes");
  return Finding::ok("as topics.yaml has them");
}

Finding judge_database(DatabaseState const& state) {
  auto const seen = fmt::format("PostgreSQL {}.{} as {}", state.version / 10'000, state.version % 10'000, state.role);
  if (state.version < oldest_postgresql)
    return Finding::fail(seen, "Omnibus needs PostgreSQL 15 or newer: point DATABASE_URL at one");
  if (state.read_only)
    return Finding::fail(seen + ", read-only", "this is a standby: point DATABASE_URL at the primary");
  if (state.connections_left < few_connections)
    return Finding::warn(fmt::format("{}, {} connections left", seen, state.connections_left),
                         "raise max_connections, or lower DATABASE_POOL of the workers");
  if (state.superuser)
    return Finding::warn(seen + ", a superuser",
                         "fine for migrations; workers and operators use separate roles (omnibus_chat, "
                         "omnibus_operator), as row-level security does not apply to a superuser");
  return Finding::ok(seen);
}

Finding judge_migrations(std::vector<postgres::MigrationStatus> const& migrations) {
  using postgres::MigrationState;
  std::vector<std::string> pending;
  std::vector<std::string> changed;
  std::vector<std::string> missing;
  for (auto const& each : migrations) {
    if (each.state == MigrationState::pending) pending.push_back(each.file);
    if (each.state == MigrationState::changed) changed.push_back(each.file);
    if (each.state == MigrationState::missing) missing.push_back(each.version);
  }
  if (!changed.empty())
    return Finding::fail(fmt::format("changed after they were applied: {}", some_of(changed)),
                         "restore these files, and put the change into a new migration");
  if (!pending.empty())
    return Finding::fail(fmt::format("{} pending: {}", pending.size(), some_of(pending)), "run omnibus migrate up");
  if (!missing.empty())
    return Finding::warn(fmt::format("applied, and without a file here: {}", some_of(missing)),
                         "the database is newer than this build, or --dir is another folder");
  return Finding::ok(fmt::format("{} applied", migrations.size()));
}

Finding judge_outbox(OutboxState const& outbox) {
  auto const waiting = outbox.waiting == 0
                           ? "empty"
                           : fmt::format("{} records wait, the oldest for {:.0f} s", outbox.waiting, outbox.oldest_s);
  if (outbox.refused > 0)
    return Finding::warn(
        fmt::format("{} rows are refused: {}; {}", outbox.refused, printable(outbox.refusals, 400), waiting),
        "mend the cause (omnibus topics apply, the topic's ACLs or max.message.bytes), then omnibus dlq ls and "
        "omnibus dlq redrive --refused");
  if (outbox.waiting == 0 || outbox.oldest_s < old_row) return Finding::ok(waiting);
  return Finding::warn(waiting,
                       "they are not being published: start omnibus-relay, and read its log for Kafka's errors");
}

Finding judge_deferred(DeferredState const& state) {
  if (state.records == 0) return Finding::ok("none waits");
  auto const seen = fmt::format("{} wait, the oldest for {:.0f} s: {}", state.records, state.oldest_s,
                                printable(state.consumers, 200));
  if (state.keys_late > 0)
    return Finding::warn(fmt::format("{}; {} keys are overdue", seen, state.keys_late),
                         "their worker does not run, or is behind: start it, and read its log");
  if (state.records >= many_deferred)
    return Finding::warn(seen, "read the log of their worker for why it defers, as a provider that is away");
  return Finding::ok(seen);
}

Finding judge_deliveries(std::int64_t late, std::int64_t in_doubt) {
  if (late == 0 && in_doubt == 0) return Finding::ok("none is late or in doubt");
  std::string advice;
  if (late > 0)
    advice =
        "start omnibus-notify, read its log for provider errors, and run omnibus delivery ls --state planned (or "
        "claimed, dispatching)";
  if (in_doubt > 0)
    advice += std::string{late > 0 ? "; " : ""} +
              "omnibus delivery ls --state in_doubt --since 90d: ask the provider, then omnibus delivery resolve";
  return Finding::warn(fmt::format("{} open for longer than 15 minutes, {} in doubt", late, in_doubt), advice);
}

Finding judge_senders(SenderState const& state) {
  std::vector<std::string> seen;
  std::vector<std::string> advice;
  if (!state.unserved.empty()) {
    seen.push_back("messages without a sender: " + some_of(state.unserved));
    advice.emplace_back("give the tenant a sender with omnibus tenant sender add, or omnibus-notify its credentials");
  }
  if (!state.orphaned.empty()) {
    seen.push_back("senders without an active tenant: " + some_of(state.orphaned));
    advice.emplace_back("remove them with omnibus tenant sender remove, or omnibus tenant resume the tenant");
  }
  if (!state.sharing.empty()) {
    seen.push_back("tenants that share the sender of the settings: " + some_of(state.sharing));
    advice.emplace_back(
        "what people answer to it, STOP too, belongs to WEBHOOK_DOMAIN alone: omnibus tenant sender add");
  }
  if (seen.empty()) return Finding::ok("each tenant with messages has its sender");
  return Finding::warn(fmt::format("{}", fmt::join(seen, "; ")), fmt::format("{}", fmt::join(advice, "; ")));
}

Finding judge_retention(retention::Overdue const& overdue) {
  if (!overdue.tables.empty())
    return Finding::warn(
        fmt::format("over their retention: {}", some_of(overdue.tables)),
        "run omnibus-gdpr, which prunes at its ticks, and omnibus-scheduler, which sends them; "
        "omnibus gdpr prune shows "
        "runs that were stopped. A worker prunes its own inbox; that of one that runs no more goes with SELECT "
        "pipeline.prune_inbox('NAME', interval '30 days', 10000)");
  if (!overdue.unreadable.empty())
    return Finding::warn(fmt::format("missing, or not for this role to read: {}", some_of(overdue.unreadable)),
                         "run omnibus migrate up, and set --database to the role omnibus_operator or omnibus_readonly");
  return Finding::ok("no table keeps rows for longer than it should");
}

Finding judge_database_clock(double seconds_ahead) {
  auto const seen = fmt::format("PostgreSQL's clock is {:.1f} s {} ours", std::abs(seconds_ahead),
                                seconds_ahead < 0 ? "behind" : "ahead of");
  if (std::abs(seconds_ahead) < small_skew) return Finding::ok(seen);
  auto const advice = "synchronise the clocks (chrony, systemd-timesyncd) of this machine and the database's";
  return std::abs(seconds_ahead) < large_skew ? Finding::warn(seen, advice) : Finding::fail(seen, advice);
}

Finding judge_record_clock(std::optional<double> seconds_ahead) {
  if (!seconds_ahead) return Finding::ok("no record to compare with");
  if (*seconds_ahead < small_skew)
    return Finding::ok(fmt::format("the newest record is {:.0f} s old", std::max(0.0, -*seconds_ahead)));
  auto const seen = fmt::format("a record is stamped {:.1f} s ahead of our clock", *seconds_ahead);
  auto const advice =
      "synchronise the clocks of this machine and of all producers: ages, retention and replays depend on them";
  return *seconds_ahead < large_skew ? Finding::warn(seen, advice) : Finding::fail(seen, advice);
}

Finding judge_descriptors(std::uint64_t highest) {
  auto const seen = fmt::format("up to {} open files and sockets", highest);
  if (highest >= enough_descriptors) return Finding::ok(seen);
  return Finding::warn(seen,
                       fmt::format("raise the hard limit to {} or more (ulimit -Hn, LimitNOFILE=, --ulimit "
                                   "nofile): a gateway takes MAX_CONNECTIONS (10000 by default), a worker one for "
                                   "each call to a model",
                                   enough_descriptors));
}

Finding judge_models(int status, std::string_view body, std::string const& model) {
  if (status == 401 || status == 403)
    return Finding::fail(fmt::format("refuses us with {}", status), "set LLM_API_KEY to a key it accepts");
  if (status == 404 || status == 405)
    return Finding::warn(fmt::format("answers {} to GET /models", status),
                         "reachable; it lists no models, or LLM_BASE_URL wrongly includes /chat/completions");
  if (status == 429) return Finding::warn("answers 429", "the quota of LLM_API_KEY is used up for now");
  if (status != 200)
    return Finding::fail(fmt::format("answers {}", status), "see the endpoint's own status; is LLM_BASE_URL right?");
  auto const list = json::decode<ModelList>(body);
  if (!list)
    return Finding::warn("answers 200, but not with a list of models",
                         "is LLM_BASE_URL an OpenAI-compatible endpoint?");
  auto const known = std::ranges::any_of(list->data, [&](ServedModel const& each) { return each.id == model; });
  if (!known)
    return Finding::warn(fmt::format("has {} models, {} not among them", list->data.size(), printable(model, 100)),
                         "set LLM_MODEL to one of its models");
  return Finding::ok(fmt::format("has {}", printable(model, 100)));
}

}  // namespace omnibus::cli
