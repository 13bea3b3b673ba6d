#include "hash/hash.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

namespace omnibus {
namespace {

template <class Digest>
Digest hmac(EVP_MD const* algorithm, std::string_view key, std::string_view bytes) {
  Digest digest{};
  auto size = static_cast<unsigned>(digest.size());
  HMAC(algorithm, key.data(), static_cast<int>(key.size()), reinterpret_cast<unsigned char const*>(bytes.data()),
       bytes.size(), digest.data(), &size);
  return digest;
}

}  // namespace

Sha256 sha256(std::string_view bytes) {
  Sha256 digest{};
  SHA256(reinterpret_cast<unsigned char const*>(bytes.data()), bytes.size(), digest.data());
  return digest;
}

Sha256 hmac_sha256(std::string_view key, std::string_view bytes) {
  return hmac<Sha256>(EVP_sha256(), key, bytes);
}

Sha1 hmac_sha1(std::string_view key, std::string_view bytes) {
  return hmac<Sha1>(EVP_sha1(), key, bytes);
}

std::string to_hex(std::span<std::uint8_t const> bytes) {
  static constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  text.reserve(2 * bytes.size());
  for (auto const byte : bytes) {
    text += digits[byte >> 4U];
    text += digits[byte & 15U];
  }
  return text;
}

bool same_secret(std::string_view left, std::string_view right) {
  return left.size() == right.size() && CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0;
}

}  // namespace omnibus
