/// As much of the end of something as a model is shown. Pure.
#pragma once

#include <cstdint>
#include <iterator>

namespace omnibus::assistant {

/// Where the newest of `items` begin that cost at most `budget` together; none beyond the first that does not fit.
template <class Items, class Cost>
auto newest_within(Items const& items, std::int64_t budget, Cost cost) {
  auto oldest = items.end();
  while (oldest != items.begin()) {
    budget -= static_cast<std::int64_t>(cost(*std::prev(oldest)));
    if (budget < 0) break;
    --oldest;
  }
  return oldest;
}

}  // namespace omnibus::assistant
