/// Caches the principals of bearer tokens.
#pragma once

#include "containers/lru_cache.hpp"
#include "hash/hash.hpp"
#include "workers/gateway/door/principal.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string_view>

namespace omnibus::gateway {

/// SHA-256 of a token: what is stored and compared, never the token itself.
using TokenHash = Sha256;
TokenHash hash_token(std::string_view token);

/// Removes the least recently used tokens first. An entry older than its time to live is not used, so a
/// revoked token stops working within it. Unknown tokens are cached too, so that guessing costs the database little.
/// Not thread-safe: use it on the event loop only.
class TokenCache {
 public:
  using Clock = std::chrono::steady_clock;

  TokenCache(std::size_t capacity, std::chrono::milliseconds time_to_live) : principals_(capacity, time_to_live) {}

  /// Nothing when the database must be asked; else the principal, or nothing inside for a known invalid token.
  std::optional<std::optional<Principal>> find(TokenHash const& token, Clock::time_point now);
  void put(TokenHash const& token, std::optional<Principal> principal, Clock::time_point now);
  std::size_t size() const { return principals_.size(); }

 private:
  struct Hash {
    std::size_t operator()(TokenHash const& token) const noexcept;
  };
  /// Takes the same time wherever the hashes differ.
  struct Equal {
    bool operator()(TokenHash const& left, TokenHash const& right) const noexcept;
  };

  LruCache<TokenHash, std::optional<Principal>, Hash, Equal> principals_;
};

}  // namespace omnibus::gateway
