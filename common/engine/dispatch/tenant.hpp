/// Whose event a record is, and what it goes through.
#pragma once

#include <cstdint>
#include <string_view>

namespace omnibus::engine {

struct Owner {
  /// A number for the tenant that an event's data names as its `domain`; 0 for none: such events share one turn.
  std::uint64_t tenant = 0;
  /// A number for the value of the member that says what its work goes through, such as a channel; 0 for none.
  std::uint32_t route = 0;
};

/// Of an event's data, or of the data in a structured event, of which the first 4 KiB are read. The fields are never
/// sealed. Never throws.
/// @param route_member empty: routes are not asked for
Owner owner_of(std::string_view value, std::string_view route_member = {}) noexcept;

}  // namespace omnibus::engine
