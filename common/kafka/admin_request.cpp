#include "kafka/admin_request.hpp"

#include "kafka/error.hpp"

#include <fmt/format.h>

namespace omnibus::kafka::detail {
namespace {

using AdminOptions = std::unique_ptr<rd_kafka_AdminOptions_t, Destroy<rd_kafka_AdminOptions_destroy>>;

}  // namespace

void check(rd_kafka_resp_err_t code, char const* reason, std::string const& what) {
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return;
  throw Error(code, fmt::format("{}: {}", what, reason != nullptr ? reason : rd_kafka_err2str(code)),
              is_retriable(code), false);
}

void check(rd_kafka_error_t* failure, std::string const& what) {
  if (failure == nullptr) return;
  auto const code = rd_kafka_error_code(failure);
  std::string const reason = rd_kafka_error_string(failure);
  rd_kafka_error_destroy(failure);
  check(code, reason.c_str(), what);
}

Event request(rd_kafka_t* client, rd_kafka_admin_op_t operation, std::chrono::milliseconds timeout,
              std::string const& what, StartRequest const& start) {
  auto const milliseconds = static_cast<int>(timeout.count());
  auto reason = no_text;
  AdminOptions const options(rd_kafka_AdminOptions_new(client, operation));
  check(rd_kafka_AdminOptions_set_request_timeout(options.get(), milliseconds, reason.data(), reason.size()),
        reason.data(), what);
  // Wait until a new topic is known, so that the caller can use it.
  if (operation == RD_KAFKA_ADMIN_OP_CREATETOPICS || operation == RD_KAFKA_ADMIN_OP_CREATEPARTITIONS)
    check(rd_kafka_AdminOptions_set_operation_timeout(options.get(), milliseconds, reason.data(), reason.size()),
          reason.data(), what);
  QueueHandle const queue(rd_kafka_queue_new(client));
  start(client, options.get(), queue.get());
  Event event(rd_kafka_queue_poll(queue.get(), milliseconds + 1000));
  if (!event) throw Error(RD_KAFKA_RESP_ERR__TIMED_OUT, what);
  check(rd_kafka_event_error(event.get()), rd_kafka_event_error_string(event.get()), what);
  return event;
}

void add_all_partitions(rd_kafka_topic_partition_list_t* list, std::string const& topic, std::int32_t count,
                        std::int64_t offset) {
  for (std::int32_t partition = 0; partition < count; ++partition)
    rd_kafka_topic_partition_list_add(list, topic.c_str(), partition)->offset = offset;
}

}  // namespace omnibus::kafka::detail
