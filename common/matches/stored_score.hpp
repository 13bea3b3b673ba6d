/// A score as it is stored and shown.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

#include <boost/rational.hpp>

namespace omnibus::matches {

using Ratio = boost::rational<std::int64_t>;

/// A number of 0 to 1 with two decimal places. The stored value is what thresholds compare. A value.
class StoredScore {
 public:
  StoredScore() = default;
  /// Rounded half up, in decimals: 0.285 is 0.29. @param ratio 0 to 1.
  explicit StoredScore(Ratio const& ratio);
  static StoredScore of_hundredths(std::int32_t hundredths) { return StoredScore{Ratio{hundredths, 100}}; }

  std::int32_t hundredths() const { return hundredths_; }
  double value() const { return hundredths_ / 100.0; }
  /// As a decimal: `0.29`.
  std::string text() const;

  auto operator<=>(StoredScore const&) const = default;

 private:
  std::int32_t hundredths_ = 0;
};

}  // namespace omnibus::matches
