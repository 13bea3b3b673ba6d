#include "workers/gateway/routes/consents_route.hpp"

#include "events/consent.hpp"
#include "json/decode.hpp"
#include "json/encode.hpp"
#include "kafka/cloud_event.hpp"
#include "workers/gateway/door/refusal.hpp"
#include "workers/gateway/routes/json_body.hpp"
#include "workers/gateway/routes/messages_route.hpp"

#include <optional>
#include <string>
#include <utility>

#include <boost/describe/class.hpp>

namespace omnibus::gateway {
namespace {

struct PostedConsent {
  std::optional<std::string> domain;
  std::string session_id;
  ConsentPurposes purposes;
  std::optional<std::string> text_version;
};
BOOST_DESCRIBE_STRUCT(PostedConsent, (), (domain, session_id, purposes, text_version))

ChatConsentRecorded read_consent(http::Request const& request, Principal const& principal) {
  require_json(request);
  auto posted = json::decode<PostedConsent>(request.body);
  if (!posted) throw Refusal::invalid(posted.error().field, posted.error().message());
  ChatConsentRecorded consent;
  consent.domain = posted->domain ? *std::move(posted->domain) : principal.domain;
  consent.session_id = std::move(posted->session_id);
  consent.purposes = posted->purposes;
  consent.text_version = std::move(posted->text_version);
  consent.source = to_string(principal.role);
  if (principal.role != Role::service && principal.role != Role::visitor) consent.recorded_by = principal.id;
  if (auto const invalid = validate(consent))
    throw Refusal::invalid(invalid->field, invalid->field + " " + invalid->reason);
  return consent;
}

}  // namespace

Task<http::Response> ConsentsRoute::post(http::Request const& request, http::Stream& client) {
  auto admission = admission_.admit(request, needs);
  auto const principal = co_await std::move(admission);
  auto const consent = read_consent(request, principal);
  auto tenancy = require_tenant(store_, principal, consent.domain);
  co_await std::move(tenancy);

  auto wait = waiting_.begin(request);
  auto const envelope =
      originate("/omnibus/gateway", ChatConsentRecorded::type, request.headers.find("traceparent").value_or(""));
  auto const conversation = conversation_id_of(consent.domain, consent.session_id);
  auto publishing = publisher_.publish(envelope, json::encode(consent), to_string(conversation));
  co_await std::move(publishing);
  auto waiting = wait.handled("chat", event_key(envelope), client);
  auto const handled = co_await std::move(waiting);
  if (handled && handled->parked()) throw refusal_of(*handled);
  auto response = accepted(envelope.id, conversation);
  if (handled) response.status = 200;
  wait.apply(response);
  co_return response;
}

}  // namespace omnibus::gateway
