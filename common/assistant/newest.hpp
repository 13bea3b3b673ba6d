/// The newest items that fit into a model's budget. Pure.
#pragma once

#include <cstdint>
#include <iterator>

namespace omnibus::assistant {

/// The start of the newest `items` that cost at most `budget` together; stops at the first that does not fit.
template <class Items, class Cost>
auto newest_within(Items& items, std::int64_t budget, Cost cost) {
  auto oldest = items.end();
  while (oldest != items.begin()) {
    budget -= static_cast<std::int64_t>(cost(*std::prev(oldest)));
    if (budget < 0) break;
    --oldest;
  }
  return oldest;
}

}  // namespace omnibus::assistant
