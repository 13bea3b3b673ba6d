/// Identifies the caller.
#pragma once

#include "concurrency/task.hpp"
#include "workers/gateway/door/token_cache.hpp"
#include "workers/gateway/store.hpp"

#include <chrono>
#include <optional>
#include <string_view>

namespace omnibus::gateway {

/// The token of an `Authorization: Bearer` header; nothing when the header has another form (RFC 6750).
std::optional<std::string_view> bearer_token(std::string_view authorization);

/// Turns bearer tokens into principals. A token is cached for `time_to_live` after it was looked up, also while the
/// database is down; a revoked or expired one stops working within that time.
class Authentication {
 public:
  Authentication(Store& store, std::chrono::milliseconds time_to_live);

  /// @param authorization the request's header, if it has one
  /// @throws Refusal 401; what the store throws when it must be asked and cannot answer.
  Task<Principal> principal(std::optional<std::string_view> authorization);

 private:
  Store& store_;
  TokenCache cache_;
};

}  // namespace omnibus::gateway
