#include "workers/gateway/matches/match_actions.hpp"

#include "json/encode.hpp"
#include "json/raw.hpp"
#include "workers/gateway/door/guard.hpp"
#include "workers/gateway/routes/json_body.hpp"

#include <algorithm>
#include <chrono>
#include <exception>
#include <optional>

#include <boost/describe/class.hpp>

namespace omnibus::gateway {
namespace {

using ActionClock = std::chrono::steady_clock;

/// The seed's request; its `action` and `adminOverride` say nothing here.
struct ActionBody {
  std::optional<json::Raw> params;
};
BOOST_DESCRIBE_STRUCT(ActionBody, (), (params))

struct ActionAnswer {
  bool success = true;
  std::string action;
  json::Raw result;
  std::int64_t processingTime = 0;
};
BOOST_DESCRIBE_STRUCT(ActionAnswer, (), (success, action, result, processingTime))

struct ActionFailure {
  bool success = false;
  std::string error;
  std::optional<std::string> field;
};
BOOST_DESCRIBE_STRUCT(ActionFailure, (), (success, error, field))

/// What `refuse` wrote.
struct ActionProblem {
  std::string title;
  std::optional<std::string> detail, field;
};
BOOST_DESCRIBE_STRUCT(ActionProblem, (), (title, detail, field))

http::Response enveloped(http::Response refused) {
  auto const problem = json::decode<ActionProblem>(refused.body).value();
  ActionFailure failure{false, problem.title, problem.field};
  if (problem.detail) failure.error += ": " + *problem.detail;
  refused.body = json::encode(failure);
  refused.headers.set("Content-Type", "application/json");
  return refused;
}

std::string params_of(http::Request const& request) {
  if (request.body.empty()) return "{}";
  require_json(request);
  auto body = read_json<ActionBody>(request.body);
  return body.params ? std::move(body.params->text) : request.body;
}

}  // namespace

std::array<MatchActions::Action, MatchActions::count> const MatchActions::actions{{
    {"analyzeMatches", at_least(Role::operator_role), &MatchActions::analyze_matches},
    {"executeConversation", at_least(Role::operator_role), &MatchActions::execute_conversation},
    {"processUserMidnight", at_least(Role::operator_role), &MatchActions::process_user_midnight},
    {"analyzeOutcome", at_least(Role::operator_role), &MatchActions::analyze_outcome},
    {"generateReport", at_least(Role::operator_role), &MatchActions::generate_report},
    {"getMatchInsights", at_least(Role::visitor), &MatchActions::get_match_insights},
    {"getConversationDetails", at_least(Role::visitor), &MatchActions::get_conversation_details},
    {"getAnalytics", at_least(Role::operator_role), &MatchActions::get_analytics},
    {"manualMatch", at_least(Role::operator_role), &MatchActions::manual_match},
    {"overrideInsights", at_least(Role::admin), &MatchActions::override_insights},
    {"getSystemHealth", at_least(Role::operator_role), &MatchActions::get_system_health},
}};

MatchActions::Action const* MatchActions::find(std::string_view name) {
  auto const* const found =
      std::find_if(actions.begin(), actions.end(), [&](Action const& each) { return each.name == name; });
  return found == actions.end() ? nullptr : found;
}

std::string MatchActions::names() {
  std::string listed;
  for (auto const& each : actions) {
    listed += listed.empty() ? "" : ", ";
    listed += each.name;
  }
  return listed;
}

Task<http::Response> MatchActions::perform(http::Request const& request, http::Stream& client) {
  auto const began = ActionClock::now();
  auto const* const action = find(request.parameter("action"));
  auto admission = reads_.admit(request, action != nullptr ? action->needs : at_least(Role::visitor));
  auto caller = co_await std::move(admission);
  MatchCall call{request, client, std::move(caller)};
  if (action == nullptr) throw Refusal(404, "No such action", "The actions are " + names(), "action");
  auto const params = params_of(request);
  auto performing = (this->*action->perform)(call, params);
  auto result = co_await std::move(performing);
  auto const took = std::chrono::duration_cast<std::chrono::milliseconds>(ActionClock::now() - began).count();
  auto response = http::json_response(
      result.status, json::encode(ActionAnswer{true, std::string(action->name), {std::move(result.json)}, took}));
  call.apply_to(response);
  co_return response;
}

Task<http::Response> MatchActions::post(http::Request const& request, http::Stream& client) {
  http::Response response;
  try {
    auto performing = perform(request, client);
    response = co_await std::move(performing);
  } catch (std::exception const& error) {
    response = enveloped(refuse(error));
  }
  co_return response;
}

}  // namespace omnibus::gateway
