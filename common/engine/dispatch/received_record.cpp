#include "engine/dispatch/received_record.hpp"

#include <cstring>

namespace omnibus::engine {
namespace {

std::size_t field_bytes(std::size_t size) {
  return sizeof(std::uint32_t) + size;
}

}  // namespace

std::optional<std::string_view> ReceivedRecord::field(char const*& at) {
  std::uint32_t size = 0;
  std::memcpy(&size, at, sizeof size);
  at += sizeof size;
  if (size == absent) return std::nullopt;
  std::string_view const text{at, size};
  at += size;
  return text;
}

void ReceivedRecord::copy() {
  if (message_) *this = copy_of(*message_);
}

ReceivedRecord ReceivedRecord::copy_of(rd_kafka_message_t const& message) {
  std::size_t header_bytes = 0;
  engine::for_each_header(message, [&](std::string_view name, std::optional<std::string_view> value) {
    header_bytes += field_bytes(name.size()) + field_bytes(value ? value->size() : 0);
  });
  auto copied = std::make_unique_for_overwrite<char[]>(sizeof(Fixed) + field_bytes(message.key_len) +
                                                       field_bytes(message.len) + header_bytes);
  Fixed const fixed{message.offset, kafka::timestamp_ms(message), static_cast<std::uint32_t>(header_bytes)};
  std::memcpy(copied.get(), &fixed, sizeof fixed);
  auto* at = copied.get() + sizeof fixed;
  auto const append = [&](void const* data, std::size_t size) {
    auto const told = data == nullptr ? absent : static_cast<std::uint32_t>(size);
    std::memcpy(at, &told, sizeof told);
    at += sizeof told;
    if (data == nullptr) return;
    std::memcpy(at, data, size);
    at += size;
  };
  append(message.key, message.key_len);
  append(message.payload, message.len);
  engine::for_each_header(message, [&](std::string_view name, std::optional<std::string_view> value) {
    append(name.data(), name.size());
    append(value ? value->data() : nullptr, value ? value->size() : 0);
  });
  ReceivedRecord record;
  record.copy_ = std::move(copied);
  return record;
}

char const* ReceivedRecord::headers() const {
  auto const* at = copy_.get() + sizeof(Fixed);
  field(at);
  field(at);
  return at;
}

std::string_view ReceivedRecord::copied_key() const {
  auto const* at = copy_.get() + sizeof(Fixed);
  return field(at).value_or(std::string_view{});
}

std::string_view ReceivedRecord::copied_value() const {
  auto const* at = copy_.get() + sizeof(Fixed);
  field(at);
  return field(at).value_or(std::string_view{});
}

}  // namespace omnibus::engine
