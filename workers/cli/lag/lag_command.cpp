#include "json/encode.hpp"
#include "kafka/admin.hpp"
#include "kafka/partition_reader.hpp"
#include "kafka/topics.hpp"
#include "observability/log.hpp"
#include "time/time.hpp"
#include "workers/cli/cluster_options.hpp"
#include "workers/cli/commands.hpp"
#include "workers/cli/lag/lag.hpp"
#include "workers/cli/terminal/terminal.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <unistd.h>

namespace omnibus::cli {
namespace {

constexpr int over_limit = 2;
constexpr std::chrono::seconds longest_age_wait{5};

struct LagOptions {
  ClusterOptions cluster;
  std::vector<std::string> groups;
  std::vector<std::string> topics;
  std::string fail_over;
  int watch_seconds = 0;
  bool json = false;
};

bool wanted(std::vector<std::string> const& among, std::string const& name) {
  return among.empty() || std::ranges::find(among, name) != among.end();
}

/// Asks a cluster for the lag of its groups.
class LagReader {
 public:
  LagReader(LagOptions const& options)
      : options_{options},
        admin_{options.cluster.settings(), options.cluster.timeout()},
        records_{options.cluster.settings(),
                 std::min<std::chrono::seconds>(options.cluster.timeout(), longest_age_wait)},
        embedded_{admin_.embedded()} {
    if (embedded_)
      fmt::print(
          stderr,
          "omnibus: the embedded broker tells neither its groups nor their members: shown are those of topics.yaml "
          "and of --group. Apache Kafka tells all\n");
  }

  std::vector<GroupLag> read() {
    marks_.clear();
    auto groups = embedded_ ? told_groups() : listed_groups();
    for (auto& group : groups) add_ages(group);
    return groups;
  }

 private:
  std::vector<GroupLag> listed_groups() {
    std::vector<std::string> names;
    for (auto const& name : admin_.groups())
      if (wanted(options_.groups, name)) names.push_back(name);
    std::vector<GroupLag> groups;
    for (auto const& state : admin_.describe_groups(names)) {
      GroupLag group{state.name, state.state, state.members, is_replay_group(state.name), {}};
      std::map<kafka::TopicPartition, std::int64_t> committed;
      for (auto const& position : admin_.committed(state.name)) committed[position.where] = position.offset;
      for (auto const& topic : topics_of(state, committed)) {
        auto const& marks = marks_of(topic);
        for (std::int32_t partition = 0; partition < static_cast<std::int32_t>(marks.size()); ++partition) {
          // Without any commit nothing was read: that is a lag as well.
          auto const found = committed.find({topic, partition});
          auto const offset = found == committed.end() ? -1 : found->second;
          group.partitions.push_back(lag_of({topic, partition, offset, marks[static_cast<std::size_t>(partition)]}));
        }
      }
      groups.push_back(std::move(group));
    }
    return groups;
  }

  /// A group's commits, assignments and, for one of our workers, subscriptions.
  std::set<std::string> topics_of(kafka::GroupState const& group,
                                  std::map<kafka::TopicPartition, std::int64_t> const& committed) const {
    std::set<std::string> topics;
    for (auto const& [where, _] : committed) topics.insert(where.topic);
    for (auto const& where : group.assigned) topics.insert(where.topic);
    constexpr std::string_view prefix = "omnibus-";
    if (group.name.starts_with(prefix))
      for (auto const* topic : kafka::TopicCatalog::built_in().consumed_by(group.name.substr(prefix.size())))
        topics.insert(topic->name);
    std::erase_if(topics, [&](std::string const& topic) { return !wanted(options_.topics, topic); });
    return topics;
  }

  std::vector<GroupLag> told_groups() {
    auto const& catalog = kafka::TopicCatalog::built_in();
    std::map<std::string, std::vector<std::string>> topics;
    for (auto const& topic : catalog.topics())
      for (auto const& consumer : topic.consumers) topics["omnibus-" + consumer].push_back(topic.name);
    for (auto const& name : options_.groups)
      if (!topics.contains(name))
        for (auto const& topic : catalog.topics()) topics[name].push_back(topic.name);
    std::vector<GroupLag> groups;
    for (auto const& [name, all] : topics) {
      if (!wanted(options_.groups, name)) continue;
      std::vector<std::string> asked;
      for (auto const& topic : all)
        if (wanted(options_.topics, topic)) asked.push_back(topic);
      GroupLag group{name, "unknown", std::nullopt, is_replay_group(name), {}};
      auto const lags = asked.empty() ? std::vector<kafka::PartitionLag>{} : admin_.group_lag(name, asked);
      if (std::ranges::any_of(lags, [](auto const& each) { return each.committed >= 0; }))
        for (auto const& partition : lags) group.partitions.push_back(lag_of(partition));
      groups.push_back(std::move(group));
    }
    return groups;
  }

  void add_ages(GroupLag& group) {
    std::vector<kafka::Position> oldest;
    for (auto const& partition : group.partitions)
      if (partition.lag > 0)
        oldest.push_back({{partition.topic, partition.partition}, std::max(partition.committed, partition.low)});
    auto const timestamps = records_.first_timestamps(oldest);
    auto const now = wall_clock_ms();
    std::size_t next = 0;
    for (auto& partition : group.partitions) {
      if (partition.lag == 0) {
        partition.lag_seconds = 0;
      } else if (auto const timestamp = timestamps.at(next++)) {
        partition.lag_seconds = static_cast<double>(std::max<std::int64_t>(0, now - *timestamp)) / 1000;
      }
    }
  }

  std::vector<kafka::Watermarks> const& marks_of(std::string const& topic) {
    auto const known = marks_.find(topic);
    if (known != marks_.end()) return known->second;
    std::vector<kafka::Watermarks> marks;
    try {
      marks = admin_.watermarks(topic);
    } catch (kafka::Error const& error) {
      if (error.code() != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) throw;
    }
    return marks_.emplace(topic, std::move(marks)).first->second;
  }

  LagOptions const& options_;
  kafka::Admin admin_;
  kafka::PartitionReader records_;
  bool embedded_;
  std::map<std::string, std::vector<kafka::Watermarks>> marks_;
};

int run(LagOptions const& options) {
  auto const limit = options.fail_over.empty() ? std::nullopt : std::optional{read_lag_limit(options.fail_over)};
  LagReader reader{options};
  for (;;) {
    LagReport report{utc(wall_clock_ms()), reader.read()};
    if (options.watch_seconds > 0 && !options.json && isatty(STDOUT_FILENO) != 0) fmt::print("\x1b[H\x1b[2J");
    if (options.json)
      fmt::print("{}\n", json::encode(report));
    else
      fmt::print("{}", lag_table(report));
    std::fflush(stdout);
    if (options.watch_seconds == 0) return limit && is_over(report, *limit) ? over_limit : 0;
    std::this_thread::sleep_for(std::chrono::seconds{options.watch_seconds});
  }
}

}  // namespace

void add_lag_command(CLI::App& application, int& exit_code) {
  auto* command = application.add_subcommand(
      "lag", "How far each consumer group is behind, by topic and partition, in events and in seconds");
  auto const options = std::make_shared<LagOptions>();
  command->footer(
      "The age is that of the oldest record not yet committed, read from the topic; unknown where it cannot be read in "
      "time. Groups of replays are marked: they are behind by design.");
  add_cluster_options(*command, options->cluster);
  command->add_option("--group", options->groups, "Only this group; may be given again");
  command->add_option("--topic", options->topics, "Only this topic; may be given again");
  auto* const watch =
      command->add_option("--watch", options->watch_seconds, "Repeat every so many seconds (2) until interrupted")
          ->expected(0, 1)
          ->default_str("2")
          ->check(CLI::Range(1, 3600));
  command
      ->add_option(
          "--fail-over", options->fail_over,
          "Exit with code 2 when a partition (replays excluded) lags more than this: in events such as 1000, or in "
          "time such as 30s or 5m; an unknown age counts as too old")
      ->excludes(watch);
  command->add_flag("--json", options->json, "One line of JSON per report");
  command->callback([options, &exit_code] {
    log::configure("omnibus", log::Level::off);  // errors are printed once, on stderr
    exit_code = run(*options);
  });
}

}  // namespace omnibus::cli
