#include "workers/gateway/telemetry_route.hpp"

#include "events/time.hpp"
#include "json/encode.hpp"
#include "workers/gateway/refusal.hpp"

#include <utility>

namespace omnibus::gateway {
namespace {

telemetry::Query query_of(Principal const& principal, http::Request const& request) {
  telemetry::QueryText text;
  text.from = request.query_value("from");
  text.to = request.query_value("to");
  text.granularity = request.query_value("granularity");
  text.model = request.query_value("model");
  text.domain = request.query_value("domain");
  if (text.domain && !principal.may_act_for(*text.domain)) throw Refusal::unknown_domain();
  if (principal.role == Role::tenant) text.domain = principal.domain;
  try {
    return telemetry::read_query(text, wall_clock_ms());
  } catch (telemetry::InvalidQuery const& invalid) {
    throw Refusal::invalid(invalid.field, invalid.detail);
  }
}

}  // namespace

Task<http::Response> TelemetryRoute::get(http::Request const& request) {
  auto admission = admission_.admit(request);
  auto principal = co_await std::move(admission);
  auto query = query_of(principal, request);
  auto lookup = store_.telemetry_report(std::move(principal), std::move(query));
  auto const report = co_await std::move(lookup);
  co_return http::json_response(200, json::encode(report));
}

}  // namespace omnibus::gateway
