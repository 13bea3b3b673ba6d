#include "workers/gateway/routes/messages_route.hpp"

#include "events/chat.hpp"
#include "json/decode.hpp"
#include "json/encode.hpp"
#include "kafka/cloud_event.hpp"
#include "workers/gateway/door/refusal.hpp"
#include "workers/gateway/routes/json_body.hpp"

#include <string>
#include <utility>

#include <boost/describe/class.hpp>

namespace omnibus::gateway {
namespace {

constexpr std::string_view source = "/omnibus/gateway";

struct PostedMessage {
  std::string domain;
  std::string session_id;
  std::string text;
};
BOOST_DESCRIBE_STRUCT(PostedMessage, (), (domain, session_id, text))

struct AcceptedMessage {
  std::string event_id;
  Uuid conversation_id;
};
BOOST_DESCRIBE_STRUCT(AcceptedMessage, (), (event_id, conversation_id))

ChatMessageReceived read_message(http::Request const& request) {
  require_json(request);
  auto posted = json::decode<PostedMessage>(request.body);
  if (!posted) throw Refusal::invalid(posted.error().field, posted.error().message());
  return {std::move(posted->domain), std::move(posted->session_id), std::move(posted->text), {}};
}

}  // namespace

http::Response accepted(std::string_view event_id, Uuid const& conversation_id) {
  auto response = http::json_response(202, json::encode(AcceptedMessage{std::string(event_id), conversation_id}));
  response.headers.set("Location", "/v1/conversations/" + to_string(conversation_id));
  return response;
}

Task<http::Response> MessagesRoute::post(http::Request const& request) {
  auto admission = admission_.admit(request, needs);
  auto const principal = co_await std::move(admission);
  auto message = read_message(request);
  auto check = messages_.check(principal, message);
  co_await std::move(check);

  auto envelope = originate(source, ChatMessageReceived::type, request.headers.find("traceparent").value_or(""));
  auto const key = request.headers.find("Idempotency-Key");
  if (!key) {
    auto open = messages_.check_open(principal, message);
    co_await std::move(open);
    messages_.expect_reply(message);
    auto publishing = publisher_.publish(envelope, json::encode(message), to_string(*message.conversation_id));
    co_await std::move(publishing);
    co_return accepted(envelope.id, *message.conversation_id);
  }

  IdempotencyClaim claim;
  claim.scope = principal.in(message.domain);
  claim.key = check_idempotency_key(*key);
  claim.request = fingerprint({message.domain, message.session_id, message.text});
  claim.event_id = event_id_of(message.domain, claim.key);
  claim.conversation_id = *message.conversation_id;
  envelope.id = to_string(claim.event_id);
  messages_.expect_reply(message);
  std::function<Task<>()> publish = [&] {
    return publisher_.publish(envelope, json::encode(message), to_string(*message.conversation_id));
  };
  auto publishing = idempotency_.once(std::move(claim), std::move(publish));
  co_await std::move(publishing);
  co_return accepted(envelope.id, *message.conversation_id);
}

}  // namespace omnibus::gateway
