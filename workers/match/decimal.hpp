/// Decimal arithmetic for numbers that a model writes in decimals. Pure.
#pragma once

#include <boost/multiprecision/cpp_dec_float.hpp>

namespace omnibus::match {

/// Exact for sums and products of a few numbers.
using Decimal = boost::multiprecision::cpp_dec_float_50;

/// The decimal with the shortest text that reads as this double: what the model wrote, up to 15 digits.
Decimal exact_decimal(double value);

/// Rounds half up. @param value not negative
int round_half_up(Decimal const& value);

}  // namespace omnibus::match
