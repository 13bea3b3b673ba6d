/// SHA-256, and keyed hashes (HMAC). Pure; may be called from any thread.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace omnibus {

using Sha256 = std::array<std::uint8_t, 32>;
using Sha1 = std::array<std::uint8_t, 20>;

/// SHA-256 (FIPS 180-4) of the bytes.
Sha256 sha256(std::string_view bytes);

/// HMAC (RFC 2104) with SHA-256.
Sha256 hmac_sha256(std::string_view key, std::string_view bytes);

/// HMAC with SHA-1. Only for providers that offer nothing better.
Sha1 hmac_sha1(std::string_view key, std::string_view bytes);

/// The bytes in lower-case hexadecimal.
std::string to_hex(std::span<std::uint8_t const> bytes);

/// Whether two texts are equal; the time taken reveals only their lengths.
bool same_secret(std::string_view left, std::string_view right);

}  // namespace omnibus
