#include "workers/gateway/matches/caller.hpp"

namespace omnibus::gateway {

Refusal refusal_of(matches::InvalidRequest const& invalid) {
  switch (invalid.kind) {
    case matches::InvalidRequest::Kind::unknown:
      return {404, "Not found", invalid.detail, invalid.field};
    case matches::InvalidRequest::Kind::state:
      return {409, "The state does not allow this", invalid.reason + ": " + invalid.detail, invalid.field};
    case matches::InvalidRequest::Kind::invalid:
      break;
  }
  return {422, "The request is not valid", invalid.reason + ": " + invalid.detail, invalid.field};
}

Task<Caller> CallerReads::admit(http::Request const& request, Needs needs) {
  auto admission = admission_.admit(request, needs);
  auto principal = co_await std::move(admission);
  auto const domain = domain_of(principal, request);
  auto tenancy = require_tenant(store_, principal, domain);
  co_await std::move(tenancy);
  auto scope = principal.in(domain);
  co_return Caller{std::move(principal), std::move(scope)};
}

Task<> CallerReads::note_reading(Caller const& caller, http::Request const& request, Uuid conversation_id) {
  if (!caller.is_staff()) co_return;
  auto logging = access_log_.note(caller.scope, request, "agent_conversation.read", to_string(conversation_id));
  co_await std::move(logging);
}

}  // namespace omnibus::gateway
