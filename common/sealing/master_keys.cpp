#include "sealing/master_keys.hpp"

#include "hash/hash.hpp"

#include <algorithm>
#include <span>
#include <stdexcept>

#include <fmt/format.h>

namespace omnibus::sealing {
namespace {

constexpr std::size_t id_bytes = 8;
constexpr std::size_t shortest_secret = 16;

std::string_view text_of(auto const& bytes) {
  return {reinterpret_cast<char const*>(bytes.data()), bytes.size()};
}

void check(std::string_view setting, std::string_view secret) {
  if (!secret.empty() && secret.size() < shortest_secret)
    throw config::ConfigError(fmt::format("{} needs {} characters at least", setting, shortest_secret));
}

}  // namespace

MasterKeys::MasterKeys(MasterKeySettings const& settings, std::string_view otherwise) {
  auto const& current = settings.pii_master_key.reveal();
  auto const& previous = settings.pii_master_key_previous.reveal();
  if (current.empty() && !previous.empty()) throw config::ConfigError("PII_MASTER_KEY_PREVIOUS needs PII_MASTER_KEY");
  check("PII_MASTER_KEY", current);
  check("PII_MASTER_KEY_PREVIOUS", previous);
  for (std::string_view const secret : {std::string_view{current}, std::string_view{previous}, otherwise}) add(secret);
}

void MasterKeys::add(std::string_view secret) {
  if (secret.empty()) return;
  auto const id = hmac_sha256(secret, "omnibus master key: id");
  keys_.push_back({to_hex(std::span{id}.first<id_bytes>()), hmac_sha256(secret, "omnibus master key: key")});
}

std::vector<std::string> MasterKeys::ids() const {
  std::vector<std::string> ids;
  for (auto const& each : keys_) ids.push_back(each.id);
  return ids;
}

WrappedKey MasterKeys::wrap(AesKey const& key, std::string_view bound) const {
  if (!usable()) throw std::logic_error("no master key: set PII_MASTER_KEY");
  auto const nonce = random_gcm_nonce();
  std::string sealed{text_of(nonce)};
  sealed += seal(keys_.front().key, nonce, bound, text_of(key));
  return {keys_.front().id, std::move(sealed)};
}

std::optional<AesKey> MasterKeys::unwrap(WrappedKey const& wrapped, std::string_view bound) const {
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

}  // namespace omnibus::sealing
