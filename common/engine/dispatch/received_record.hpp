/// A consumed record, as a worker keeps it.
#pragma once

#include "containers/prefetch.hpp"
#include "engine/dispatch/record_headers.hpp"
#include "kafka/consumer.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

namespace omnibus::engine {

/// At first librdkafka's message, which needs no copy but keeps the whole fetch response in memory. copy() replaces it
/// by one allocation. Returned views are valid until copy() or the end of this object.
class ReceivedRecord {
 public:
  ReceivedRecord() = default;
  explicit ReceivedRecord(kafka::Message message) : message_{std::move(message)} {}

  /// A copy of key, value and headers.
  static ReceivedRecord copy_of(rd_kafka_message_t const& message);

  /// Replaces the message by a copy.
  void copy();
  /// Returns the message; null when it was copied.
  kafka::Message take_message() { return std::move(message_); }
  void reset() {
    message_.reset();
    copy_.reset();
  }

  /// Has the beginning of a copy come from memory.
  void prefetch() const {
    if (copy_) prefetch_bytes(copy_.get(), prefetched_bytes);
  }

  /// Absent ones have no data().
  std::string_view key() const {
    return message_ ? std::string_view{static_cast<char const*>(message_->key), message_->key_len} : copied_key();
  }
  std::string_view value() const {
    return message_ ? std::string_view{static_cast<char const*>(message_->payload), message_->len} : copied_value();
  }
  std::int64_t offset() const { return message_ ? message_->offset : fixed().offset; }
  /// When it was written, in ms since 1970; -1 when the broker does not say.
  std::int64_t timestamp_ms() const { return message_ ? kafka::timestamp_ms(*message_) : fixed().timestamp_ms; }

  /// Calls `visit(name, value)` for each header in order; an absent value is no value.
  template <class Visit>
  void for_each_header(Visit&& visit) const {
    if (message_) return engine::for_each_header(*message_, std::forward<Visit>(visit));
    for (auto const *at = headers(), *end = at + fixed().header_bytes; at != end;) {
      auto const name = field(at);
      visit(*name, field(at));
    }
  }

 private:
  struct Fixed {
    std::int64_t offset;
    std::int64_t timestamp_ms;
    std::uint32_t header_bytes;
  };
  static constexpr std::uint32_t absent = 0xffffffff;
  static constexpr std::size_t prefetched_bytes = 1024;  // key, value and headers of a usual event; they may be fewer

  /// Of the copy: fixed(), then key and value, then the names and values of the headers, each with its size in front.
  static std::optional<std::string_view> field(char const*& at);
  Fixed const& fixed() const { return *reinterpret_cast<Fixed const*>(copy_.get()); }
  char const* headers() const;
  std::string_view copied_key() const;
  std::string_view copied_value() const;

  kafka::Message message_;
  std::unique_ptr<char[]> copy_;
};

}  // namespace omnibus::engine
