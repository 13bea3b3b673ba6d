/// `GET /v1/telemetry`
#pragma once

#include "concurrency/task.hpp"
#include "http/message.hpp"
#include "workers/gateway/door/admission.hpp"
#include "workers/gateway/store.hpp"

namespace omnibus::gateway {

/// What calls of models took, from the rollups: `?from=`, `?to=`, `?granularity=15m|1h|1d`, `?model=`, and for an
/// operator `?domain=`, without which it is shown all of them.
class TelemetryRoute {
 public:
  TelemetryRoute(Admission& admission, Store& store) : admission_(admission), store_(store) {}

  Task<http::Response> get(http::Request const& request);

 private:
  Admission& admission_;
  Store& store_;
};

}  // namespace omnibus::gateway
