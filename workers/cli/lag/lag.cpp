#include "workers/cli/lag/lag.hpp"

#include "workers/cli/terminal/terminal.hpp"

#include <algorithm>
#include <charconv>
#include <stdexcept>

#include <fmt/format.h>

namespace omnibus::cli {
namespace {

std::string age(std::optional<double> seconds) {
  if (!seconds) return "unknown";
  if (*seconds < 60) return fmt::format("{:.1f}s", *seconds);
  auto const whole = static_cast<std::int64_t>(*seconds);
  if (whole < 3600) return fmt::format("{}m{:02}s", whole / 60, whole % 60);
  return fmt::format("{}h{:02}m", whole / 3600, whole % 3600 / 60);
}

/// The oldest; unknown when one is unknown.
std::optional<double> oldest(std::vector<PartitionLine> const& partitions) {
  double most = 0;
  for (auto const& each : partitions) {
    if (!each.lag_seconds) return std::nullopt;
    most = std::max(most, *each.lag_seconds);
  }
  return most;
}

}  // namespace

PartitionLine lag_of(kafka::PartitionLag const& partition) {
  return {partition.topic,           partition.partition, partition.committed, partition.watermarks.low,
          partition.watermarks.high, partition.lag(),     std::nullopt};
}

bool is_replay_group(std::string_view name) {
  return name.find("-replay-") != std::string_view::npos;
}

std::string lag_table(LagReport const& report) {
  if (report.groups.empty()) return "no consumer groups\n";
  Table table{{"GROUP", "STATE", "MEMBERS", "TOPIC", "PARTITION", "COMMITTED", "END", "LAG", "AGE"}};
  for (auto const& group : report.groups) {
    auto const name = group.replay ? group.group + " (replay)" : group.group;
    auto const members = group.members ? std::to_string(*group.members) : "unknown";
    std::int64_t total = 0;
    for (auto const& each : group.partitions) {
      total += each.lag;
      table.add({name, group.state, members, each.topic, std::to_string(each.partition),
                 each.committed < 0 ? "-" : std::to_string(each.committed), std::to_string(each.end),
                 std::to_string(each.lag), age(each.lag_seconds)});
    }
    if (group.partitions.empty()) table.add({name, group.state, members, "-", "-", "-", "-", "-", "-"});
    if (group.partitions.size() > 1)
      table.add({name, group.state, members, "all", "", "", "", std::to_string(total), age(oldest(group.partitions))});
  }
  return table.text();
}

LagLimit read_lag_limit(std::string_view text) {
  if (auto const seconds = read_seconds(text)) return {{}, seconds};
  std::int64_t events = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), events);
  if (error != std::errc{} || end != text.data() + text.size() || events < 0)
    throw std::invalid_argument(
        fmt::format("--fail-over takes a number of events, or a time such as 30s or 5m, not {}", printable(text, 64)));
  return {events, {}};
}

bool is_over(LagReport const& report, LagLimit const& limit) {
  return std::ranges::any_of(report.groups, [&](GroupLag const& group) {
    return !group.replay && std::ranges::any_of(group.partitions, [&](PartitionLine const& each) {
      if (limit.events) return each.lag > *limit.events;
      return each.lag > 0 && (!each.lag_seconds || *each.lag_seconds > static_cast<double>(limit.seconds.value_or(0)));
    });
  });
}

}  // namespace omnibus::cli
