#include "engine/replay/replay_plan.hpp"

#include "engine/dispatch/record_headers.hpp"
#include "engine/replay/replay_arguments.hpp"
#include "kafka/partition_reader.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace omnibus::engine {
namespace {

constexpr std::int64_t sample = 50;  // records of a partition read for their size

std::int64_t size_of(rd_kafka_message_t const& message) {
  auto size = message.key_len + message.len;
  for_each_header(message, [&](std::string_view name, std::optional<std::string_view> value) {
    size += name.size() + value.value_or("").size();
  });
  return static_cast<std::int64_t>(size);
}

std::int64_t estimate_bytes(kafka::PartitionReader& reader, kafka::OffsetRange const& range) {
  std::int64_t bytes = 0;
  std::int64_t records = 0;
  reader.read(range.where, range.from, range.to, [&](rd_kafka_message_t const& message) {
    bytes += size_of(message);
    return ++records < sample;
  });
  return records == 0 ? 0 : bytes * (range.to - range.from) / std::min(records, range.to - range.from);
}

std::string readable(std::int64_t bytes) {
  auto amount = static_cast<double>(bytes);
  for (auto const* const unit : {"B", "KiB", "MiB"}) {
    if (amount < 1024) return fmt::format("{:.{}f} {}", amount, *unit == 'B' ? 0 : 1, unit);
    amount /= 1024;
  }
  return fmt::format("{:.1f} GiB", amount);
}

}  // namespace

ReplayPlan plan_replay(kafka::ClientSettings const& client, std::string const& worker,
                       std::vector<std::string> const& topics, kafka::Moment const& from, kafka::Moment const& to) {
  ReplayPlan plan{worker, to_string(from), to_string(to), {}, 0, 0};
  auto const window = kafka::OffsetWindow{client}.find(replay_topics(worker, topics), from, to);
  kafka::PartitionReader reader{client};
  for (auto const& range : window) {
    auto const events = range.to - range.from;
    plan.partitions.push_back({range.where.topic, range.where.partition, range.from, range.to, events});
    plan.events += events;
    if (events > 0) plan.bytes += estimate_bytes(reader, range);
  }
  return plan;
}

std::string to_text(ReplayPlan const& plan) {
  std::size_t width = 5;
  for (auto const& each : plan.partitions) width = std::max(width, each.topic.size());
  auto text = fmt::format("{:{}}  partition        from          to      events\n", "topic", width);
  for (auto const& each : plan.partitions)
    text += fmt::format("{:{}}  {:9}  {:10}  {:10}  {:10}\n", each.topic, width, each.partition, each.from, each.to,
                        each.events);
  text += fmt::format("{} from {} to {}: {} events, about {}\n", plan.worker, plan.from, plan.to, plan.events,
                      readable(plan.bytes));
  return text;
}

}  // namespace omnibus::engine
