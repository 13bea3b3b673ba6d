#include "workers/gateway/door/admission.hpp"

#include "workers/gateway/door/refusal.hpp"

#include <utility>

namespace omnibus::gateway {

Admission::Admission(Authentication& authentication, RateLimit& rate_limit, AccessLog& access_log)
    : authentication_(authentication),
      rate_limit_(rate_limit),
      access_log_(access_log),
      rate_limited_(Metrics::process().counter<Metric::rate_limited>()) {}

Task<Principal> Admission::admit(http::Request const& request, Needs needs) {
  auto authentication = authentication_.principal(request.headers.find("Authorization"));
  auto principal = co_await std::move(authentication);
  keep_rate(principal.domain);
  auto check = require(principal, request, needs);
  co_await std::move(check);
  co_return principal;
}

Task<> Admission::require(Principal const& principal, http::Request const& request, Needs needs) {
  if (needs.met_by(principal.role)) co_return;
  auto logging = access_log_.refused(principal, request);
  co_await std::move(logging);
  check_role(principal, needs);
}

Task<bool> Admission::still_valid(http::Request const& request) {
  try {
    auto authentication = authentication_.principal(request.headers.find("Authorization"));
    co_await std::move(authentication);
  } catch (Refusal const&) {
    co_return false;
  } catch (std::exception const&) {  // not known
  }
  co_return true;
}

void Admission::keep_rate(std::string_view domain) {
  auto const wait = rate_limit_.acquire(domain, RateLimit::Clock::now());
  if (!wait) return;
  rate_limited_.add();
  throw Refusal(429, "Too many requests", "The domain has exceeded its rate limit", {}, wait);
}

Task<> require_tenant(Store& store, Principal const& principal, std::string const& domain) {
  if (!principal.may_act_for(domain)) throw Refusal::unknown_domain();
  if (!domain.empty() && domain == principal.domain) co_return;
  auto lookup = store.tenant_exists(principal.in(domain));
  auto const exists = co_await std::move(lookup);
  if (!exists) throw Refusal::unknown_domain();
}

std::string domain_of(Principal const& principal, http::Request const& request) {
  auto const asked = request.query_value("domain");
  if (!asked && principal.acts_for_all())
    throw Refusal::invalid("domain", "The token acts for all tenants; name one by ?domain=");
  if (!asked) return principal.domain;
  if (!principal.may_act_for(*asked)) throw Refusal::no_conversation();
  return std::string(*asked);
}

}  // namespace omnibus::gateway
