#include "flags/feature_flag.hpp"

namespace omnibus::flags {
namespace {

/// 64-bit FNV-1a.
std::uint64_t add_bytes(std::uint64_t hash, std::string_view bytes) {
  for (auto const byte : bytes) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x00000100000001b3;
  return hash;
}

/// MurmurHash3's finalizer. FNV-1a alone hardly changes the upper bits with the last bytes: names that differ at their
/// end would order subjects alike.
std::uint64_t mix(std::uint64_t hash) {
  hash ^= hash >> 33;
  hash *= 0xff51afd7ed558ccd;
  hash ^= hash >> 33;
  hash *= 0xc4ceb9fe1a85ec53;
  return hash ^ (hash >> 33);
}

}  // namespace

std::int32_t place_of(std::string_view flag, std::string_view subject) {
  constexpr std::uint64_t offset_basis = 0xcbf29ce484222325;
  auto const named = add_bytes(add_bytes(offset_basis, flag), std::string_view{"\0", 1});
  return static_cast<std::int32_t>(mix(add_bytes(named, subject)) % whole_share);
}

}  // namespace omnibus::flags
