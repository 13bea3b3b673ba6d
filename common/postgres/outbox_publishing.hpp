/// Publishing of outbox rows by a process that waits for the broker. The engine's workers publish theirs without
/// waiting.
#pragma once

#include "kafka/error.hpp"
#include "kafka/producer.hpp"
#include "postgres/outbox.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace omnibus::postgres {

/// The row as refused, if this failure of its delivery is the fault of the record or its topic.
std::optional<RefusedRow> refused_row(OutboxRow const& row, kafka::Error const& error);

/// Counts rows that were set aside, and logs one error for each reason.
void tell_refused(std::span<RefusedRow const> rows);

/// What became of rows that were passed on.
struct AnsweredRows {
  std::vector<std::int64_t> acknowledged;  ///< remove these
  std::vector<RefusedRow> refused;         ///< and set these aside
  std::string failure;                     ///< the last reason why others failed
};

/// The largest record that a producer of stored rows takes: whether it fits, compressed, is the broker's decision.
inline constexpr ByteSize largest_stored_record = 64_MiB;

/// Publishes rows in their order. Rows of one key are published in order if the producer never gives up a record (a
/// message timeout of 0). A row that the broker has not answered yet is remembered: answers may come later. One thread
/// uses it; the producer must outlive it.
class RowPublisher {
 public:
  explicit RowPublisher(kafka::Producer& producer);

  /// Passes rows on and waits until each is answered, up to `patience`. Once the producer accepts no more for now, the
  /// rest is left out. Blocks. @return whether all were answered.
  bool publish(std::span<OutboxRow const> rows, std::chrono::milliseconds patience);
  /// The answers since the last call.
  AnsweredRows take_answers();
  /// The topics of rows that are not answered: more of them would be published twice, or out of order.
  std::vector<std::string> busy_topics() const;

 private:
  struct State;
  kafka::Producer& producer_;
  std::shared_ptr<State> state_;  // shared with callbacks, which may come later
};

}  // namespace omnibus::postgres
