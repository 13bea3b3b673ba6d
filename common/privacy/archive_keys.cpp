#include "privacy/archive_keys.hpp"

#include "hash/hash.hpp"

#include <algorithm>
#include <span>
#include <stdexcept>

#include <fmt/format.h>

namespace omnibus::privacy {
namespace {

constexpr std::size_t id_bytes = 8;

/// Parts are numbered, and each archive has a key of its own: no nonce comes twice with a key.
GcmNonce nonce_of(std::int64_t number) {
  GcmNonce nonce{};
  auto rest = static_cast<std::uint64_t>(number);
  for (auto at = nonce.rbegin(); rest != 0; ++at, rest >>= 8U) *at = static_cast<std::uint8_t>(rest & 0xffU);
  return nonce;
}

std::string_view text_of(auto const& bytes) {
  return {reinterpret_cast<char const*>(bytes.data()), bytes.size()};
}

constexpr std::string_view part_of_archive = "omnibus archive part";

}  // namespace

ArchiveKeys::ArchiveKeys(MasterKeySettings const& settings, std::string_view otherwise) {
  add(settings.pii_master_key.reveal());
  add(settings.pii_master_key_previous.reveal());
  add(otherwise);
}

void ArchiveKeys::add(std::string_view secret) {
  if (secret.empty()) return;
  auto const id = hmac_sha256(secret, "omnibus archives: key id");
  keys_.push_back({to_hex(std::span{id}.first<id_bytes>()), hmac_sha256(secret, "omnibus archives: key")});
}

WrappedKey ArchiveKeys::wrap(AesKey const& key, std::string_view bound) const {
  if (!usable()) throw std::logic_error("no key wraps archives: set PII_MASTER_KEY");
  auto const nonce = random_gcm_nonce();
  std::string sealed{text_of(nonce)};
  sealed += seal(keys_.front().key, nonce, bound, text_of(key));
  return {keys_.front().id, std::move(sealed)};
}

std::optional<AesKey> ArchiveKeys::unwrap(WrappedKey const& wrapped, std::string_view bound) const {
  auto const master =
      std::find_if(keys_.begin(), keys_.end(), [&](auto const& each) { return each.id == wrapped.key_id; });
  GcmNonce nonce{};
  if (master == keys_.end() || wrapped.sealed.size() < nonce.size()) return std::nullopt;
  std::copy_n(wrapped.sealed.begin(), nonce.size(), nonce.begin());
  auto const opened = unseal(master->key, nonce, bound, std::string_view{wrapped.sealed}.substr(nonce.size()));
  AesKey key{};
  if (!opened || opened->size() != key.size()) return std::nullopt;
  std::copy(opened->begin(), opened->end(), key.begin());
  return key;
}

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
