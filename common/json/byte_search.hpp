/// Finds bytes in a text, eight at a time: faster than a loop for more than a few bytes, and than a call for few. Pure.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

namespace omnibus::json {
namespace detail {

/// The high bit of each byte that is `wanted`; bytes above such a one may be marked falsely.
constexpr std::uint64_t mark_bytes(std::uint64_t eight, char wanted) {
  constexpr std::uint64_t ones = 0x0101010101010101;
  auto const difference = eight ^ (ones * static_cast<unsigned char>(wanted));
  return (difference - ones) & ~difference & (ones << 7U);
}

}  // namespace detail

/// The first of the wanted bytes in [at, end), or `end`.
template <char... wanted>
char const* find_byte(char const* at, char const* end) {
  if constexpr (std::endian::native == std::endian::little) {
    for (std::uint64_t eight = 0; end - at >= static_cast<std::ptrdiff_t>(sizeof eight); at += sizeof eight) {
      std::memcpy(&eight, at, sizeof eight);
      if (auto const found = (detail::mark_bytes(eight, wanted) | ...); found != 0)
        return at + std::countr_zero(found) / 8;
    }
  }
  while (at != end && ((*at != wanted) && ...)) ++at;
  return at;
}

}  // namespace omnibus::json
