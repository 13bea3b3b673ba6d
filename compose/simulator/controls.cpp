#include "compose/simulator/answer.hpp"
#include "compose/simulator/simulator.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

namespace omnibus::simulator {
namespace {

/// Replaces a plan by the rules in a request's body.
template <class Kind>
http::Response replace_plan(PlanOf<Kind>& plan, std::string_view body, std::uint64_t seed) {
  try {
    plan = PlanOf<Kind>(parse_fault_rules<Kind>(body), seed);
    return http::json_response(200, boost::json::serialize(boost::json::object{{"rules", plan.size()}}));
  } catch (std::invalid_argument const& error) {
    return http::problem(422, {}, error.what(), "rules");
  }
}

}  // namespace

Task<http::Response> Simulator::models(http::Request const&) {
  co_return http::json_response(
      200,
      R"({"object":"list","data":[{"id":"omnibus-small","object":"model","created":1735689600,"owned_by":"omnibus"},)"
      R"({"id":"omnibus-large","object":"model","created":1735689600,"owned_by":"omnibus"}]})");
}

Task<http::Response> Simulator::unknown(http::Request const& request) {
  auto const message = fmt::format("Invalid URL ({} {})", request.method, request.path);
  co_return http::json_response(404, error_body(message, "invalid_request_error", {}, {}));
}

Task<http::Response> Simulator::stats(http::Request const& request) {
  boost::json::object body;
  body["requests"] = requests_;
  body["in_flight"] = in_flight_;
  body["most_in_flight"] = most_in_flight_;
  body["answered"] = answered_;
  body["answered_again"] = repeated_;
  body["distinct_prompts"] = prompts_.size();
  auto& outcomes = body["outcomes"].emplace_object();
  for (auto const& [name, count] : outcomes_) outcomes[name] = count;
  auto const counts = [](Counts const& of) {
    return boost::json::object{{"asked", of.asked}, {"answered", of.answered}};
  };
  if (auto const text = request.query_value("text")) {
    auto const found = texts_.find(stable_hash(*text));
    body["text"] = counts(found != texts_.end() ? found->second : Counts{});
  }
  if (request.query_value("prompts")) {
    auto& prompts = body["prompts"].emplace_object();
    for (auto const& [hash, of] : prompts_) prompts[fmt::format("{:016x}", hash)] = counts(of);
  }
  co_return http::json_response(200, boost::json::serialize(body));
}

Task<http::Response> Simulator::reset_stats(http::Request const&) {
  requests_ = most_in_flight_ = answered_ = repeated_ = 0;
  outcomes_.clear();
  prompts_.clear();
  texts_.clear();
  co_return http::Response{204, {}, {}};
}

Task<http::Response> Simulator::set_faults(http::Request const& request) {
  co_return replace_plan(faults_, request.body, settings_.seed);
}

Task<http::Response> Simulator::clear_faults(http::Request const&) {
  faults_ = FaultPlan();
  co_return http::Response{204, {}, {}};
}

Task<http::Response> Simulator::list_oddities(http::Request const&) {
  boost::json::array list;
  for (auto const& oddity : oddities())
    list.push_back({{"name", oddity.name}, {"what", oddity.what}, {"must", oddity.must}, {"who", oddity.who}});
  co_return http::json_response(200, boost::json::serialize(boost::json::object{{"oddities", std::move(list)}}));
}

Task<http::Response> Simulator::set_oddities(http::Request const& request) {
  co_return replace_plan(oddities_, request.body, settings_.seed);
}

Task<http::Response> Simulator::clear_oddities(http::Request const&) {
  oddities_ = OddityPlan();
  co_return http::Response{204, {}, {}};
}

}  // namespace omnibus::simulator
