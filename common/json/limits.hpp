#pragma once

#include <cstddef>

namespace omnibus::json {

/// How much of a document is looked at before it is refused. They hold for what is ignored, too.
struct Limits {
  std::size_t bytes = 1 << 20;
  std::size_t depth = 64;  ///< nested objects and arrays, the outermost one counted; never more than 256
  std::size_t array_length = 10'000;
};

}  // namespace omnibus::json
