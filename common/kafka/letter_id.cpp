#include "kafka/letter_id.hpp"

#include <fmt/format.h>

namespace omnibus::kafka {
namespace {

constexpr Uuid letter_space{
    {0x6f, 0x6d, 0x6e, 0x69, 0x62, 0x75, 0x50, 0x00, 0x80, 0x00, 0x6c, 0x65, 0x74, 0x74, 0x65, 0x72}};

}  // namespace

Uuid letter_id(std::string_view topic, std::int32_t partition, std::int64_t offset, std::int64_t timestamp_ms) {
  return name_uuid(letter_space, fmt::format("{}/{}/{}/{}", topic, partition, offset, timestamp_ms));
}

}  // namespace omnibus::kafka
