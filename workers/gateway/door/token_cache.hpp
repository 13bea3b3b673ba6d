/// Who a bearer token speaks for, remembered for a short while.
#pragma once

#include "containers/lru_cache.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace omnibus::gateway {

/// What a token allows: a tenant acts for its own domain, an operator for any.
enum class Role : std::uint8_t { tenant, operator_role };

/// Who is asking.
struct Principal {
  std::string domain;  ///< the tenant's; for an operator the domain of its token, which may be empty
  Role role = Role::tenant;

  bool may_act_for(std::string_view other) const { return role == Role::operator_role || other == domain; }
};

/// SHA-256 of a token: what is stored and compared, never the token itself.
using TokenHash = std::array<std::uint8_t, 32>;
TokenHash hash_token(std::string_view token);

/// The least recently used tokens are forgotten first; what is older than its time to live is not believed, so a
/// revoked token stops working within it. Unknown tokens are remembered too, that guessing costs the database little.
/// Not thread-safe: it belongs to the event loop.
class TokenCache {
 public:
  using Clock = std::chrono::steady_clock;

  TokenCache(std::size_t capacity, std::chrono::milliseconds time_to_live) : principals_(capacity, time_to_live) {}

  /// Nothing when the database must be asked; else the principal, or nothing inside for a token known to be bad.
  std::optional<std::optional<Principal>> find(TokenHash const& token, Clock::time_point now);
  void put(TokenHash const& token, std::optional<Principal> principal, Clock::time_point now);
  std::size_t size() const { return principals_.size(); }

 private:
  struct Hash {
    std::size_t operator()(TokenHash const& token) const noexcept;
  };
  /// Takes the same time wherever two hashes differ.
  struct Equal {
    bool operator()(TokenHash const& left, TokenHash const& right) const noexcept;
  };

  LruCache<TokenHash, std::optional<Principal>, Hash, Equal> principals_;
};

}  // namespace omnibus::gateway
