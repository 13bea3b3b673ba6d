#include "hash/aes_gcm.hpp"

#include <memory>
#include <stdexcept>

#include <openssl/evp.h>
#include <openssl/rand.h>

namespace omnibus {
namespace {

using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

unsigned char const* bytes_of(std::string_view text) {
  return reinterpret_cast<unsigned char const*>(text.data());
}

unsigned char* bytes_of(std::string& text) {
  return reinterpret_cast<unsigned char*>(text.data());
}

void require(bool succeeded) {
  if (!succeeded) throw std::runtime_error("AES-GCM failed");
}

template <std::size_t size>
std::array<std::uint8_t, size> random_bytes() {
  std::array<std::uint8_t, size> bytes{};
  if (RAND_bytes(bytes.data(), static_cast<int>(size)) != 1) throw std::runtime_error("no random bytes");
  return bytes;
}

CipherContext make_context() {
  CipherContext context{EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free};
  require(context != nullptr);
  return context;
}

/// Found once: OpenSSL looks EVP_aes_256_gcm() up among its providers each time.
EVP_CIPHER const* cipher() {
  static EVP_CIPHER* const found = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  require(found != nullptr);
  return found;
}

}  // namespace

AesKey random_aes_key() {
  return random_bytes<std::tuple_size_v<AesKey>>();
}

GcmNonce random_gcm_nonce() {
  return random_bytes<std::tuple_size_v<GcmNonce>>();
}

std::string seal(AesKey const& key, GcmNonce const& nonce, std::string_view bound, std::string_view clear) {
  auto const context = make_context();
  std::string sealed(clear.size() + gcm_tag_bytes, '\0');
  int size = 0;
  require(EVP_EncryptInit_ex(context.get(), cipher(), nullptr, key.data(), nonce.data()) == 1);
  require(EVP_EncryptUpdate(context.get(), nullptr, &size, bytes_of(bound), static_cast<int>(bound.size())) == 1);
  require(EVP_EncryptUpdate(context.get(), bytes_of(sealed), &size, bytes_of(clear), static_cast<int>(clear.size())) ==
          1);
  require(EVP_EncryptFinal_ex(context.get(), bytes_of(sealed) + size, &size) == 1);
  require(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, static_cast<int>(gcm_tag_bytes),
                              bytes_of(sealed) + clear.size()) == 1);
  return sealed;
}

std::optional<std::string> unseal(AesKey const& key, GcmNonce const& nonce, std::string_view bound,
                                  std::string_view sealed) {
  if (sealed.size() < gcm_tag_bytes) return std::nullopt;
  auto const context = make_context();
  auto const clear_size = sealed.size() - gcm_tag_bytes;
  std::string clear(clear_size, '\0');
  std::string tag{sealed.substr(clear_size)};
  int size = 0;
  require(EVP_DecryptInit_ex(context.get(), cipher(), nullptr, key.data(), nonce.data()) == 1);
  require(EVP_DecryptUpdate(context.get(), nullptr, &size, bytes_of(bound), static_cast<int>(bound.size())) == 1);
  require(EVP_DecryptUpdate(context.get(), bytes_of(clear), &size, bytes_of(sealed), static_cast<int>(clear_size)) ==
          1);
  require(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, static_cast<int>(gcm_tag_bytes), bytes_of(tag)) ==
          1);
  if (EVP_DecryptFinal_ex(context.get(), bytes_of(clear) + size, &size) != 1) return std::nullopt;
  return clear;
}

}  // namespace omnibus
