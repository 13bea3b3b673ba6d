/// AES-256 in Galois/Counter Mode (NIST SP 800-38D): encrypts, and notices every change. Any thread may call it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace omnibus {

using AesKey = std::array<std::uint8_t, 32>;
/// Use each nonce once per key.
using GcmNonce = std::array<std::uint8_t, 12>;

/// Bytes that a sealed text has more than the clear one.
inline constexpr std::size_t gcm_tag_bytes = 16;

/// A new random key, and a new random nonce. @throws std::runtime_error when the system has no random bytes.
AesKey random_aes_key();
GcmNonce random_gcm_nonce();

/// Encrypts. Only who knows `bound` can open it, which is not part of the result.
/// @throws std::runtime_error when OpenSSL fails.
std::string seal(AesKey const& key, GcmNonce const& nonce, std::string_view bound, std::string_view clear);

/// Decrypts what seal() returned. Nothing when the key, the nonce, `bound` or any byte is another.
std::optional<std::string> unseal(AesKey const& key, GcmNonce const& nonce, std::string_view bound,
                                  std::string_view sealed);

}  // namespace omnibus
