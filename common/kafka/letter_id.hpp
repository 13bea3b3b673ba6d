/// The id of a dead letter that does not carry one.
#pragma once

#include "uuid/uuid.hpp"

#include <cstdint>
#include <string_view>

namespace omnibus::kafka {

/// Follows from the letter's position and its time in ms: if a topic is deleted and created again, the same position
/// is another letter's.
Uuid letter_id(std::string_view topic, std::int32_t partition, std::int64_t offset, std::int64_t timestamp_ms);

}  // namespace omnibus::kafka
