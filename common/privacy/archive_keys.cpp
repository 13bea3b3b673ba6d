#include "privacy/archive_keys.hpp"

#include <fmt/format.h>

namespace omnibus::privacy {
namespace {

/// Parts are numbered, and each archive has a key of its own: no nonce comes twice with a key.
GcmNonce nonce_of(std::int64_t number) {
  GcmNonce nonce{};
  auto rest = static_cast<std::uint64_t>(number);
  for (auto at = nonce.rbegin(); rest != 0; ++at, rest >>= 8U) *at = static_cast<std::uint8_t>(rest & 0xffU);
  return nonce;
}

constexpr std::string_view part_of_archive = "omnibus archive part";

}  // namespace

std::string seal_part(AesKey const& key, std::int64_t number, std::string_view clear) {
  return seal(key, nonce_of(number), part_of_archive, clear);
}

std::optional<std::string> open_part(AesKey const& key, std::int64_t number, std::string_view sealed) {
  return unseal(key, nonce_of(number), part_of_archive, sealed);
}

std::string archive_binding(std::string_view request_id, std::int64_t size, std::string_view sha256_hex) {
  return fmt::format("{}:{}:{}", request_id, size, sha256_hex);
}

}  // namespace omnibus::privacy
