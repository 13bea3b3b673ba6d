#include "workers/match/decimal.hpp"

#include <array>
#include <charconv>
#include <string>

namespace omnibus::match {

Decimal exact_decimal(double value) {
  std::array<char, 32> digits{};
  auto const written = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  return Decimal{std::string{digits.data(), written.ptr}};
}

int round_half_up(Decimal const& value) {
  return static_cast<int>(boost::multiprecision::floor(value + Decimal{"0.5"}));
}

}  // namespace omnibus::match
