/// Authentication, rate limit and role of a request.
#pragma once

#include "concurrency/task.hpp"
#include "http/message.hpp"
#include "observability/metrics.hpp"
#include "workers/gateway/door/access_log.hpp"
#include "workers/gateway/door/authentication.hpp"
#include "workers/gateway/door/rate_limit.hpp"
#include "workers/gateway/store.hpp"

#include <string>
#include <string_view>

namespace omnibus::gateway {

/// The check for every route of tenants: a valid bearer token, a domain within its rate limit, and a role that the
/// route serves.
class Admission {
 public:
  Admission(Authentication& authentication, RateLimit& rate_limit, AccessLog& access_log);

  /// A role that is too low is logged in `access_log`.
  /// @throws Refusal 401, 403 or 429; and what Authentication::principal throws.
  Task<Principal> admit(http::Request const& request, Needs needs);

  /// For a request whose body decides what it needs, after admit(). A role that is too low is logged.
  /// @throws Refusal 403.
  Task<> require(Principal const& principal, http::Request const& request, Needs needs);

  /// Whether an admitted request's token is still valid; true when the database does not answer.
  Task<bool> still_valid(http::Request const& request);

  /// For requests that identify their tenant in another way. @throws Refusal 429.
  void keep_rate(std::string_view domain);

 private:
  Authentication& authentication_;
  RateLimit& rate_limit_;
  AccessLog& access_log_;
  Counter rate_limited_;
};

/// The tenant of a posted message: the caller's own, or for an operator of the installation any existing one.
/// @throws Refusal 404, the same for another tenant and for an unknown one.
Task<> require_tenant(Store& store, Principal const& principal, std::string const& domain);

/// The tenant of a read: the caller's own; an operator of the installation names one by `?domain=`.
/// @throws Refusal 404 when the caller may not read it, 400 when an operator of the installation names none.
std::string domain_of(Principal const& principal, http::Request const& request);

}  // namespace omnibus::gateway
