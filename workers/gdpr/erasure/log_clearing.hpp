/// When a topic has deleted what it holds now.
#pragma once

#include "kafka/admin.hpp"
#include "kafka/topics.hpp"

#include <cstdint>

namespace omnibus::gdpr {

/// The time by which a partition has deleted its present records. A segment is deleted `retention.ms` after its newest
/// record, and is closed `segment.ms` after its first one at the latest. Uses the cluster's settings, else those of
/// topics.yaml, else Kafka's defaults. Pure.
/// @param newest_ms the largest timestamp in the partition, or now if that is later; in ms since 1970
/// @return in ms since 1970; the largest number for a topic that deletes nothing before the year 10000
std::int64_t clear_at_ms(kafka::TopicState const& state, kafka::TopicSpec const& spec, std::int64_t newest_ms);

}  // namespace omnibus::gdpr
