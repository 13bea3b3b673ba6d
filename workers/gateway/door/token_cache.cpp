#include "workers/gateway/door/token_cache.hpp"

#include <cstring>
#include <utility>

#include <openssl/crypto.h>

namespace omnibus::gateway {

TokenHash hash_token(std::string_view token) {
  return sha256(token);
}

std::size_t TokenCache::Hash::operator()(TokenHash const& token) const noexcept {
  std::size_t value = 0;
  std::memcpy(&value, token.data(), sizeof value);
  return value;
}

bool TokenCache::Equal::operator()(TokenHash const& left, TokenHash const& right) const noexcept {
  return CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0;
}

std::optional<std::optional<Principal>> TokenCache::find(TokenHash const& token, Clock::time_point now) {
  auto const* const principal = principals_.find(token, now);
  if (principal == nullptr) return std::nullopt;
  return std::optional<std::optional<Principal>>{std::in_place, *principal};
}

void TokenCache::put(TokenHash const& token, std::optional<Principal> principal, Clock::time_point now) {
  principals_.put(token, std::move(principal), now);
}

}  // namespace omnibus::gateway
