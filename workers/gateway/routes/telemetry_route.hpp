/// `GET /v1/telemetry`
#pragma once

#include "concurrency/task.hpp"
#include "http/message.hpp"
#include "workers/gateway/door/admission.hpp"
#include "workers/gateway/store.hpp"

namespace omnibus::gateway {

/// Tokens, cost and latency of model calls, from the rollups: `?from=`, `?to=`, `?granularity=15m|1h|1d`, `?model=`;
/// for an operator of the installation also `?domain=`, without which all domains are included.
class TelemetryRoute {
 public:
  static constexpr Needs needs = service_or(Role::operator_role);

  TelemetryRoute(Admission& admission, Store& store) : admission_(admission), store_(store) {}

  Task<http::Response> get(http::Request const& request);

 private:
  Admission& admission_;
  Store& store_;
};

}  // namespace omnibus::gateway
