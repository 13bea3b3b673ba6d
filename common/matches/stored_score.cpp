#include "matches/stored_score.hpp"

#include <fmt/format.h>

namespace omnibus::matches {

StoredScore::StoredScore(Ratio const& ratio) {
  auto const rounded = ratio * 100 + Ratio{1, 2};
  hundredths_ = static_cast<std::int32_t>(rounded.numerator() / rounded.denominator());
}

std::string StoredScore::text() const {
  return fmt::format("{}.{:02}", hundredths_ / 100, hundredths_ % 100);
}

}  // namespace omnibus::matches
