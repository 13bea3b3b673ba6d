#include "workers/gateway/routes/events_route.hpp"

#include "json/encode.hpp"
#include "workers/gateway/door/refusal.hpp"
#include "workers/gateway/routes/incoming_event.hpp"
#include "workers/gateway/routes/messages_route.hpp"

#include <string>
#include <utility>

#include <boost/algorithm/string/predicate.hpp>
#include <boost/describe/class.hpp>

namespace omnibus::gateway {
namespace {

constexpr std::size_t longest_source = 512;

struct AcceptedEvent {
  std::string event_id;
};
BOOST_DESCRIBE_STRUCT(AcceptedEvent, (), (event_id))

void check_content(Envelope const& envelope) {
  auto const type = envelope.data_content_type.substr(0, envelope.data_content_type.find(';'));
  if (!type.empty() && !boost::iequals(type, "application/json") && !boost::iends_with(type, "+json"))
    throw Refusal(415, "The data must be JSON", "Send application/json", "datacontenttype");
}

/// The attributes under which an event of that tenant is published.
Envelope envelope_of(Envelope const& given, std::string_view domain) {
  auto envelope = originate(tenant_source(domain, given.source), given.type, given.traceparent);
  if (envelope.source.size() > longest_source) throw Refusal::invalid("source", "It is too long");
  envelope.id = given.id;
  if (!given.time.empty()) envelope.time = given.time;
  envelope.subject = given.subject;
  envelope.correlation_id = given.correlation_id;
  envelope.causation_id = given.causation_id;
  envelope.tracestate = given.tracestate;
  envelope.extensions = given.extensions;
  return envelope;
}

}  // namespace

Task<http::Response> EventsRoute::post(http::Request const& request) {
  auto admission = admission_.admit(request, needs);
  auto const principal = co_await std::move(admission);
  auto const event = read_event(request);
  outside_.check_type(event.envelope.type);
  check_content(event.envelope);
  if (event.envelope.type == ChatMessageReceived::type) {
    auto posting = post_message(principal, event);
    auto answer = co_await std::move(posting);
    co_return answer;
  }
  auto checked = outside_.check(event.envelope.type, event.data);
  auto tenancy = require_tenant(store_, principal, checked.domain);
  co_await std::move(tenancy);
  auto const envelope = envelope_of(event.envelope, checked.domain);
  auto publishing = publisher_.publish(envelope, std::move(checked.json), std::move(checked.key));
  co_await std::move(publishing);
  co_return http::json_response(202, json::encode(AcceptedEvent{envelope.id}));
}

Task<http::Response> EventsRoute::post_message(Principal const& principal, CloudEvent const& event) {
  auto message = read_data<ChatMessageReceived>(event.data);
  auto check = messages_.check(principal, message, "data.");
  co_await std::move(check);
  auto open = messages_.check_open(principal, message);
  co_await std::move(open);
  auto const envelope = envelope_of(event.envelope, message.domain);
  messages_.expect_reply(message);
  auto publishing = publisher_.publish(envelope, json::encode(message), to_string(*message.conversation_id));
  co_await std::move(publishing);
  co_return accepted(envelope.id, *message.conversation_id);
}

}  // namespace omnibus::gateway
