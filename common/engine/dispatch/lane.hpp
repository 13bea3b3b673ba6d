/// Which deliveries are handled one after the other.
#pragma once

#include "kafka/consumer.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace omnibus::engine {

/// The part of a lane's number that its partition gives. The same for as long as the process runs, whoever owned the
/// partition in between.
inline std::uint64_t lane_salt(kafka::TopicPartition const& where) {
  return std::hash<std::string>{}(where.topic) ^ (static_cast<std::uint64_t>(where.partition) << 32);
}

/// Deliveries of one key share a lane; those without key are independent of each other.
inline std::uint64_t lane_of(std::uint64_t salt, rd_kafka_message_t const& message) {
  constexpr std::uint64_t spread = 0x9E3779B97F4A7C15ULL;
  if (message.key == nullptr) return (salt ^ static_cast<std::uint64_t>(message.offset)) * spread;
  std::string_view const key{static_cast<char const*>(message.key), message.key_len};
  return std::hash<std::string_view>{}(key) ^ (salt * spread);
}

}  // namespace omnibus::engine
