/// Outbox rows that the broker refused: listed, shown, published again or dropped.
#pragma once

#include "kafka/producer.hpp"
#include "kafka/record.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pqxx {
class connection;
}

namespace omnibus::cli {

/// Which rows; empty fields select all.
struct RefusedSelection {
  std::string topic{};  ///< that they go to
  std::optional<std::int64_t> row{};
  std::size_t limit = std::numeric_limits<std::size_t>::max();
};

/// A row that was set aside.
struct StoredRefusal {
  std::int64_t row = 0;
  std::string worker;
  std::int64_t created_ms = 0;
  std::int64_t bytes = 0;  ///< of the value
  std::int32_t attempts = 0;
  std::optional<std::int64_t> next_ms;  ///< when the relay tries it again
  std::string reason;
  kafka::Record record;  ///< its value only if that was asked for
};

/// The rows, oldest first. @throws as libpqxx.
std::vector<StoredRefusal> refused_rows(pqxx::connection& database, RefusedSelection const& selection, bool with_value);

struct RefusedReport {
  std::size_t acted = 0;    ///< published, or dropped
  std::size_t refused = 0;  ///< refused again
};

/// Publishes refused rows again and removes those that the broker takes; the others stay refused. Blocks.
/// @param tell called for each row that is refused again, with the reason
/// @throws as libpqxx; std::runtime_error when the broker does not answer.
RefusedReport redrive_refused(pqxx::connection& database, kafka::Producer& producer, RefusedSelection const& selection,
                              std::function<void(std::int64_t row, std::string_view reason)> const& tell);

/// Deletes refused rows. Their events are lost. @return how many
std::size_t drop_refused(pqxx::connection& database, RefusedSelection const& selection);

}  // namespace omnibus::cli
