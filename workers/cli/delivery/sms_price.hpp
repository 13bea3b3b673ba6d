#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace omnibus::cli {

/// An amount of money, in whatever currency, in millionths: sums are exact.
struct Price {
  std::int64_t millionths = 0;
};

/// An amount as 0.0085 or 12, with at most six decimals and less than a million.
/// @throws std::invalid_argument that shows the form.
Price read_price(std::string_view text);

inline Price operator*(Price price, std::int64_t count) {
  return {price.millionths * count};
}

/// As a decimal without zeros at its end.
std::string to_string(Price price);

}  // namespace omnibus::cli
