#include "hash/aes_gcm.hpp"

#include <string>

#include <doctest/doctest.h>

using namespace omnibus;

TEST_CASE("AES-256-GCM as NIST's test vectors have it") {
  AesKey const key{};
  GcmNonce const nonce{};
  std::string const zeros(16, '\0');
  auto const sealed = seal(key, nonce, "", zeros);
  constexpr unsigned char expected[] = {0xce, 0xa7, 0x40, 0x3d, 0x4d, 0x60, 0x6b, 0x6e, 0x07, 0x4e, 0xc5,
                                        0xd3, 0xba, 0xf3, 0x9d, 0x18, 0xd0, 0xd1, 0xc8, 0xa7, 0x99, 0x99,
                                        0x6b, 0xf0, 0x26, 0x5b, 0x98, 0xb5, 0xd4, 0x8a, 0xb9, 0x19};
  CHECK(sealed == std::string(reinterpret_cast<char const*>(expected), sizeof expected));
}

TEST_CASE("what was sealed opens only with the same key, nonce, binding and bytes") {
  auto const key = random_aes_key();
  auto const nonce = random_gcm_nonce();
  for (std::string const clear : {"", "x", "a longer text with \0 in it"}) {
    auto const sealed = seal(key, nonce, "bound", clear);
    CHECK(sealed.size() == clear.size() + gcm_tag_bytes);
    CHECK(unseal(key, nonce, "bound", sealed) == clear);
    CHECK_FALSE(unseal(key, nonce, "other", sealed));
    CHECK_FALSE(unseal(random_aes_key(), nonce, "bound", sealed));
    CHECK_FALSE(unseal(key, random_gcm_nonce(), "bound", sealed));
    for (std::size_t i = 0; i < sealed.size(); ++i) {
      auto broken = sealed;
      broken[i] = static_cast<char>(broken[i] ^ 1);
      CHECK_FALSE(unseal(key, nonce, "bound", broken));
    }
  }
  CHECK_FALSE(unseal(key, nonce, "bound", "short"));
}
