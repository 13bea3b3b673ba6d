/// `POST /v1/events`
#pragma once

#include "concurrency/task.hpp"
#include "http/message.hpp"
#include "kafka/cloud_event.hpp"
#include "workers/gateway/door/admission.hpp"
#include "workers/gateway/publisher.hpp"
#include "workers/gateway/routes/outside_events.hpp"
#include "workers/gateway/routes/visitor_message.hpp"
#include "workers/gateway/store.hpp"

namespace omnibus::gateway {

/// Accepts a CloudEvent over HTTP, in binary or structured mode, of any type that topics.yaml lists in `from_outside`.
/// Answers 202 with the event's id once Kafka has acknowledged it. The id stays the caller's, so that a repeated event
/// is recognised; the source is moved into the tenant's namespace.
class EventsRoute {
 public:
  static constexpr Needs needs = service_or(Role::operator_role);

  EventsRoute(Admission& admission, Store& store, VisitorMessages& messages, Publisher& publisher,
              OutsideEvents const& outside)
      : admission_(admission), store_(store), messages_(messages), publisher_(publisher), outside_(outside) {}

  Task<http::Response> post(http::Request const& request);

 private:
  Task<http::Response> post_message(Principal const& principal, CloudEvent const& event);

  Admission& admission_;
  Store& store_;
  VisitorMessages& messages_;
  Publisher& publisher_;
  OutsideEvents const& outside_;
};

}  // namespace omnibus::gateway
