/// Authentication and rate limit of a request.
#pragma once

#include "concurrency/task.hpp"
#include "http/message.hpp"
#include "observability/metrics.hpp"
#include "workers/gateway/door/authentication.hpp"
#include "workers/gateway/door/rate_limit.hpp"
#include "workers/gateway/store.hpp"

#include <string>
#include <string_view>

namespace omnibus::gateway {

/// The check for every route of tenants: a valid bearer token, and a domain within its rate limit.
class Admission {
 public:
  Admission(Authentication& authentication, RateLimit& rate_limit);

  /// @throws Refusal 401 or 429; and what Authentication::principal throws.
  Task<Principal> admit(http::Request const& request);

  /// For requests that identify their tenant in another way. @throws Refusal 429.
  void keep_rate(std::string_view domain);

 private:
  Authentication& authentication_;
  RateLimit& rate_limit_;
  Counter rate_limited_;
};

/// The tenant of a posted message: the caller's own, or for an operator any existing one.
/// @throws Refusal 404, the same for another tenant and for an unknown one.
Task<> require_tenant(Store& store, Principal const& principal, std::string const& domain);

/// The tenant of a read: the caller's own; an operator may name another by `?domain=`.
/// @throws Refusal 404 when the caller may not read it.
std::string domain_of(Principal const& principal, http::Request const& request);

}  // namespace omnibus::gateway
