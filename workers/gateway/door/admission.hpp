/// Who gets in.
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

/// The door of every route that tenants use: a bearer token that is good, of a domain that does not ask too often.
class Admission {
 public:
  Admission(Authentication& authentication, RateLimit& rate_limit);

  /// @throws Refusal 401 or 429; whatever Authentication::principal throws.
  Task<Principal> admit(http::Request const& request);

  /// For requests that show otherwise whose they are. @throws Refusal 429.
  void keep_rate(std::string_view domain);

 private:
  Authentication& authentication_;
  RateLimit& rate_limit_;
  Counter rate_limited_;
};

/// The tenant of what somebody posts: the caller's own, or for an operator any that there is.
/// @throws Refusal 404, the same for another's tenant and for none.
Task<> require_tenant(Store& store, Principal const& principal, std::string const& domain);

/// Whose things a read is about: the tenant's own; an operator may name another by `?domain=`.
/// @throws Refusal 404 when that is not the caller's to see.
std::string domain_of(Principal const& principal, http::Request const& request);

}  // namespace omnibus::gateway
