/// The place of an event loop among those of its process.
#pragma once

#include <algorithm>
#include <cstddef>

namespace omnibus {

/// Loops are numbered from 0. The first one also does what a process does once.
struct LoopPlace {
  std::size_t index = 0;
  std::size_t count = 1;

  bool is_first() const { return index == 0; }

  /// This loop's part of a limit that holds for the whole process. The parts add up to the limit if it is at least
  /// `count`; each is at least 1.
  std::size_t part_of(std::size_t limit) const {
    return std::max<std::size_t>(limit / count + (index < limit % count ? 1 : 0), 1);
  }
};

}  // namespace omnibus
