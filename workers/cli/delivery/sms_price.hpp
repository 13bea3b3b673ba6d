#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace omnibus::cli {

/// An amount of money, in any currency, in millionths: sums are exact.
struct SegmentPrice {
  std::int64_t millionths = 0;
};

/// An amount as 0.0085 or 12, with at most six decimals and less than a million.
/// @throws std::invalid_argument that shows the format.
SegmentPrice read_price(std::string_view text);

inline SegmentPrice operator*(SegmentPrice price, std::int64_t count) {
  return {price.millionths * count};
}

/// As a decimal without trailing zeros.
std::string to_string(SegmentPrice price);

}  // namespace omnibus::cli
