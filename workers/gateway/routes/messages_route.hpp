/// `POST /v1/chat/messages`
#pragma once

#include "concurrency/task.hpp"
#include "http/message.hpp"
#include "workers/gateway/door/admission.hpp"
#include "workers/gateway/door/idempotency.hpp"
#include "workers/gateway/publisher.hpp"
#include "workers/gateway/routes/visitor_message.hpp"

namespace omnibus::gateway {

/// Accepts `{"domain","session_id","text"}` and answers 202 `{"event_id","conversation_id"}` once Kafka has the event.
class MessagesRoute {
 public:
  static constexpr Needs needs = service_or(Role::operator_role);

  MessagesRoute(Admission& admission, VisitorMessages& messages, Idempotency& idempotency, Publisher& publisher)
      : admission_(admission), messages_(messages), idempotency_(idempotency), publisher_(publisher) {}

  Task<http::Response> post(http::Request const& request);

 private:
  Admission& admission_;
  VisitorMessages& messages_;
  Idempotency& idempotency_;
  Publisher& publisher_;
};

/// The answer to a message that was accepted.
http::Response accepted(std::string_view event_id, Uuid const& conversation_id);

}  // namespace omnibus::gateway
