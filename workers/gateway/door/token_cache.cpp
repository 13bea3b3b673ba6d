#include "workers/gateway/door/token_cache.hpp"

#include <cstring>
#include <utility>

#include <openssl/crypto.h>
#include <openssl/sha.h>

namespace omnibus::gateway {

TokenHash hash_token(std::string_view token) {
  TokenHash hash{};
  SHA256(reinterpret_cast<unsigned char const*>(token.data()), token.size(), hash.data());
  return hash;
}

std::size_t TokenCache::Hash::operator()(TokenHash const& token) const noexcept {
  std::size_t value = 0;
  std::memcpy(&value, token.data(), sizeof value);
  return value;
}

bool TokenCache::Equal::operator()(TokenHash const& left, TokenHash const& right) const noexcept {
  return CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0;
}

TokenCache::TokenCache(std::size_t capacity, std::chrono::milliseconds time_to_live)
    : capacity_(capacity == 0 ? 1 : capacity), time_to_live_(time_to_live) {}

std::optional<std::optional<Principal>> TokenCache::find(TokenHash const& token, Clock::time_point now) {
  auto const found = index_.find(token);
  if (found == index_.end()) return std::nullopt;
  if (found->second->expires <= now) {
    entries_.erase(found->second);
    index_.erase(found);
    return std::nullopt;
  }
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->principal;
}

void TokenCache::put(TokenHash const& token, std::optional<Principal> principal, Clock::time_point now) {
  if (auto const found = index_.find(token); found != index_.end()) {
    found->second->principal = std::move(principal);
    found->second->expires = now + time_to_live_;
    return;
  }
  if (entries_.size() >= capacity_) {
    index_.erase(entries_.back().token);
    entries_.pop_back();
  }
  entries_.push_front({token, std::move(principal), now + time_to_live_});
  index_.emplace(token, entries_.begin());
}

}  // namespace omnibus::gateway
