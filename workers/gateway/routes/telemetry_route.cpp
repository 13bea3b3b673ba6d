#include "workers/gateway/routes/telemetry_route.hpp"

#include "json/encode.hpp"
#include "time/time.hpp"
#include "workers/gateway/door/refusal.hpp"

#include <utility>

namespace omnibus::gateway {
namespace {

rollups::Query query_of(Principal const& principal, http::Request const& request) {
  rollups::QueryText text;
  text.from = request.query_value("from");
  text.to = request.query_value("to");
  text.granularity = request.query_value("granularity");
  text.model = request.query_value("model");
  text.domain = request.query_value("domain");
  if (text.domain && !principal.may_act_for(*text.domain)) throw Refusal::unknown_domain();
  if (!principal.acts_for_all()) text.domain = principal.domain;
  try {
    return rollups::read_query(text, wall_clock_ms());
  } catch (rollups::InvalidQuery const& invalid) {
    throw Refusal::invalid(invalid.field, invalid.detail);
  }
}

}  // namespace

Task<http::Response> TelemetryRoute::get(http::Request const& request) {
  auto admission = admission_.admit(request, needs);
  auto const principal = co_await std::move(admission);
  auto query = query_of(principal, request);
  auto lookup = store_.telemetry_report(principal.in(principal.domain), std::move(query));
  auto const report = co_await std::move(lookup);
  co_return http::json_response(200, json::encode(report));
}

}  // namespace omnibus::gateway
