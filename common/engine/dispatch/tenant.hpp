/// Whose event a record is.
#pragma once

#include <cstdint>
#include <string_view>

namespace omnibus::engine {

/// A number for the tenant that an event's data names as its `domain`, or that of the data in a structured event. 0 for
/// an event that names none in its first 4 KiB: such events share one turn. The field is never sealed. Never throws.
std::uint64_t tenant_of(std::string_view value) noexcept;

}  // namespace omnibus::engine
