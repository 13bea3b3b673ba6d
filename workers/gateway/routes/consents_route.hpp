/// `POST /v1/chat/consents`
#pragma once

#include "concurrency/task.hpp"
#include "http/message.hpp"
#include "http/router.hpp"
#include "workers/gateway/door/admission.hpp"
#include "workers/gateway/door/waiting.hpp"
#include "workers/gateway/publisher.hpp"

namespace omnibus::gateway {

/// Accepts `{"domain","session_id","purposes":{"processing":true,...},"text_version"}` and answers 202
/// `{"event_id","conversation_id"}` once Kafka has the event; with `Prefer: wait=N` 200 once the consent counts. The
/// domain is the token's unless an operator of the installation asks. A withdrawal needs no consent.
class ConsentsRoute {
 public:
  static constexpr Needs needs = service_or(Role::operator_role);

  ConsentsRoute(Admission& admission, Store& store, Waiting& waiting, Publisher& publisher)
      : admission_(admission), store_(store), waiting_(waiting), publisher_(publisher) {}

  Task<http::Response> post(http::Request const& request, http::Stream& client);

 private:
  Admission& admission_;
  Store& store_;
  Waiting& waiting_;
  Publisher& publisher_;
};

}  // namespace omnibus::gateway
