/// `POST /v1/events`
#pragma once

#include "concurrency/task.hpp"
#include "http/message.hpp"
#include "kafka/topics.hpp"
#include "workers/gateway/door/admission.hpp"
#include "workers/gateway/publisher.hpp"
#include "workers/gateway/routes/visitor_message.hpp"

namespace omnibus::gateway {

/// Takes a CloudEvent over HTTP, in binary or structured mode, of any type that a tenant may publish: those of the
/// topics whose owner is the gateway. Answers 202 with the event's id once Kafka has it. The id stays the caller's own,
/// so that the same event sent again is recognised; the source is moved into the tenant's name space.
class EventsRoute {
 public:
  EventsRoute(Admission& admission, VisitorMessages& messages, Publisher& publisher, kafka::TopicCatalog const& topics)
      : admission_(admission), messages_(messages), publisher_(publisher), topics_(topics) {}

  Task<http::Response> post(http::Request const& request);

 private:
  Admission& admission_;
  VisitorMessages& messages_;
  Publisher& publisher_;
  kafka::TopicCatalog const& topics_;
};

}  // namespace omnibus::gateway
