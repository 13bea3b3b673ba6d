/// The one error type of everything that talks to Kafka.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include <librdkafka/rdkafka.h>

namespace omnibus::kafka {

/// A failure reported by librdkafka or the broker. `retriable()`: the same call may succeed later. `fatal()`: the
/// client that reported it cannot be used any more and must be created again.
class Error : public std::runtime_error {
 public:
  /// Classifies the code; prefixes `what` to librdkafka's text.
  explicit Error(rd_kafka_resp_err_t code, std::string_view what = {});
  Error(rd_kafka_resp_err_t code, std::string const& message, bool retriable, bool fatal);

  rd_kafka_resp_err_t code() const noexcept { return code_; }
  bool retriable() const noexcept { return retriable_; }
  bool fatal() const noexcept { return fatal_; }

 private:
  rd_kafka_resp_err_t code_;
  bool retriable_;
  bool fatal_;
};

/// Whether a call that failed with this code may succeed later: the broker is down or overloaded, a leader is
/// being elected, a queue is full. False for a lasting error, such as a record larger than its topic allows.
bool is_retriable(rd_kafka_resp_err_t code) noexcept;

/// Why a broker does not take a record.
enum class RefusalCause {
  none,       ///< no fault of the record or its topic
  of_topic,   ///< its topic is missing or not authorised: somebody may change that
  of_record,  ///< the record itself, such as its size
};

/// Whether a delivery that failed with this code fails each time, while records to other topics are taken.
RefusalCause refusal_of(rd_kafka_resp_err_t code) noexcept;

}  // namespace omnibus::kafka
