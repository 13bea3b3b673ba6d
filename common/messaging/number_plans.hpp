/// The lengths of phone numbers by country, newer than those of the installed libphonenumber.
#pragma once

#include <cstdint>
#include <span>

namespace omnibus::messaging {

/// The numbers of one country code, or of the countries that share it.
struct NumberPlan {
  std::uint16_t country_code;
  std::uint32_t lengths;  ///< bit n: numbers of n digits behind the country code
};

/// All plans, by country code. make_number_plans.py writes them from the current metadata of libphonenumber.
std::span<NumberPlan const> number_plans();

}  // namespace omnibus::messaging
