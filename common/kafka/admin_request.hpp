/// The common part of all admin calls: one request, its answer and its errors.
#pragma once

#include "kafka/client_settings.hpp"
#include "kafka/handles.hpp"

#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include <librdkafka/rdkafka.h>

namespace omnibus::kafka::detail {

using Event = std::unique_ptr<rd_kafka_event_t, Destroy<rd_kafka_event_destroy>>;

/// The buffer for librdkafka's error text.
inline constexpr std::array<char, 512> no_text{};

/// @throws Error with `what` and the reason, if there is an error.
void check(rd_kafka_resp_err_t code, char const* reason, std::string const& what);

/// The same; destroys the error.
void check(rd_kafka_error_t* failure, std::string const& what);

/// One request to the cluster: `start` sends it; its answer is returned. Blocks up to the timeout. @throws Error
using StartRequest = std::function<void(rd_kafka_t*, rd_kafka_AdminOptions_t*, rd_kafka_queue_t*)>;
Event request(rd_kafka_t* client, rd_kafka_admin_op_t operation, std::chrono::milliseconds timeout,
              std::string const& what, StartRequest const& start);

/// Partitions 0 to `count` of a topic, each with this offset.
void add_all_partitions(rd_kafka_topic_partition_list_t* list, std::string const& topic, std::int32_t count,
                        std::int64_t offset);

}  // namespace omnibus::kafka::detail
