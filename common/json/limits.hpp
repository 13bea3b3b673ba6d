#pragma once

#include <cstddef>

namespace omnibus::json {

/// Limits for a document; above them it is rejected. They apply to ignored parts, too.
struct Limits {
  std::size_t bytes = 1 << 20;
  std::size_t depth = 64;  ///< nested objects and arrays, with the outermost one; never more than 256
  std::size_t array_length = 10'000;
};

}  // namespace omnibus::json
