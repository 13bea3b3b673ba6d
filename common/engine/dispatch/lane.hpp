/// Which deliveries are handled one after the other.
#pragma once

#include "kafka/consumer.hpp"

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace omnibus::engine {

/// Rows of the database name lanes: every build and every machine must make the same number of a text. (This is Austin
/// Appleby's MurmurHash64A, which is in the public domain.)
inline std::uint64_t lane_hash(std::string_view text) {
  static_assert(std::endian::native == std::endian::little);
  constexpr std::uint64_t mix = 0xc6a4a7935bd1e995U;
  auto const mixed = [](std::uint64_t block) {
    block *= mix;
    return (block ^ (block >> 47U)) * mix;
  };
  auto const read = [](char const* from, std::size_t size) {
    std::uint64_t block = 0;
    std::memcpy(&block, from, size);
    return block;
  };
  auto hash = 0xc70f6907U ^ (text.size() * mix);
  auto const* at = text.data();
  auto left = text.size();
  for (; left >= 8; at += 8, left -= 8) hash = (hash ^ mixed(read(at, 8))) * mix;
  if (left > 0) hash = (hash ^ read(at, left)) * mix;
  hash = (hash ^ (hash >> 47U)) * mix;
  return hash ^ (hash >> 47U);
}

/// The part of a lane's number that its partition gives.
inline std::uint64_t lane_salt(kafka::TopicPartition const& where) {
  return lane_hash(where.topic) ^ (static_cast<std::uint64_t>(where.partition) << 32U);
}

/// Deliveries of one key share a lane; those without key are independent of each other.
inline std::uint64_t lane_of(std::uint64_t salt, rd_kafka_message_t const& message) {
  constexpr std::uint64_t spread = 0x9E3779B97F4A7C15ULL;
  if (message.key == nullptr) return (salt ^ static_cast<std::uint64_t>(message.offset)) * spread;
  std::string_view const key{static_cast<char const*>(message.key), message.key_len};
  return lane_hash(key) ^ (salt * spread);
}

}  // namespace omnibus::engine
