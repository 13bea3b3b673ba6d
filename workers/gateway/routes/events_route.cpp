#include "workers/gateway/routes/events_route.hpp"

#include "events/chat.hpp"
#include "json/decode.hpp"
#include "json/encode.hpp"
#include "workers/gateway/door/refusal.hpp"
#include "workers/gateway/routes/incoming_event.hpp"
#include "workers/gateway/routes/messages_route.hpp"

#include <utility>

namespace omnibus::gateway {
namespace {

constexpr std::size_t longest_source = 512;

void check_type(kafka::TopicCatalog const& topics, std::string_view type) {
  auto const* const topic = topics.topic_of(type);
  if (topic == nullptr) throw Refusal::invalid("type", "There is no event of this type");
  if (topic->owner != "gateway")
    throw Refusal(403, "Not yours to publish", "Events of this type come from a worker of Omnibus", "type");
  if (type != ChatMessageReceived::type) throw Refusal::invalid("type", "Events of this type are not taken over HTTP");
}

void check_content(Envelope const& envelope) {
  auto const type = envelope.data_content_type.substr(0, envelope.data_content_type.find(';'));
  if (!type.empty() && type != "application/json" && !type.ends_with("+json"))
    throw Refusal(415, "The data must be JSON", "Send application/json", "datacontenttype");
}

ChatMessageReceived read_message(std::string_view data) {
  auto message = json::decode<ChatMessageReceived>(data);
  if (message) return *std::move(message);
  auto const& error = message.error();
  throw Refusal::invalid(error.field.empty() ? "data" : "data." + error.field, error.message());
}

}  // namespace

Task<http::Response> EventsRoute::post(http::Request const& request) {
  auto admission = admission_.admit(request);
  auto const principal = co_await std::move(admission);
  auto event = read_event(request);
  check_type(topics_, event.envelope.type);
  check_content(event.envelope);
  auto message = read_message(event.data);
  auto check = messages_.check(principal, message, "data.");
  co_await std::move(check);
  auto open = messages_.check_open(message);
  co_await std::move(open);

  auto const& given = event.envelope;
  auto envelope = originate(tenant_source(message.domain, given.source), given.type, given.traceparent);
  if (envelope.source.size() > longest_source) throw Refusal::invalid("source", "It is too long");
  envelope.id = given.id;
  if (!given.time.empty()) envelope.time = given.time;
  envelope.subject = given.subject;
  envelope.correlation_id = given.correlation_id;
  envelope.causation_id = given.causation_id;
  envelope.tracestate = given.tracestate;
  envelope.extensions = given.extensions;
  messages_.expect_reply(message);
  auto publishing = publisher_.publish(envelope, json::encode(message), to_string(*message.conversation_id));
  co_await std::move(publishing);
  co_return accepted(envelope.id, *message.conversation_id);
}

}  // namespace omnibus::gateway
