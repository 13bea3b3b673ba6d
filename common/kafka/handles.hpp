/// Owners of librdkafka's objects. Each must end before the client it belongs to.
#pragma once

#include <memory>

#include <librdkafka/rdkafka.h>

namespace omnibus::kafka {

/// Frees an object of librdkafka by its own function.
template <auto destroy>
struct Destroy {
  void operator()(auto* object) const noexcept { destroy(object); }
};

/// Partitions, with an offset each.
using PartitionList = std::unique_ptr<rd_kafka_topic_partition_list_t, Destroy<rd_kafka_topic_partition_list_destroy>>;
/// A client's view of one topic.
using TopicHandle = std::unique_ptr<rd_kafka_topic_t, Destroy<rd_kafka_topic_destroy>>;
/// Where a client's records or events arrive.
using QueueHandle = std::unique_ptr<rd_kafka_queue_t, Destroy<rd_kafka_queue_destroy>>;

}  // namespace omnibus::kafka
