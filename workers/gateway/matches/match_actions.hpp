/// `POST /v1/actions/{action}`: the seed's eleven actions, for callers that port from it.
#pragma once

#include "concurrency/task.hpp"
#include "http/router.hpp"
#include "workers/gateway/matches/caller.hpp"
#include "workers/gateway/matches/match_requests.hpp"

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

namespace omnibus::gateway {

/// The body is `{"params":{...}}` as the seed's, or the parameters themselves; unknown fields are ignored, and so no
/// body makes its sender an admin. Answers `{"success":true,"action","result","processingTime"}` (in milliseconds), or
/// `{"success":false,"error"}` with the status of the error. A mutation's result has the `event_id` (202); with
/// `Prefer: wait`, once its worker has handled it, also what came of it (200).
class MatchActions {
 public:
  MatchActions(CallerReads& reads, MatchRequests& requests) : reads_(reads), requests_(requests) {}

  Task<http::Response> post(http::Request const& request, http::Stream& client);

 private:
  /// What an action gives: its status and its result, which is JSON.
  struct Result {
    int status = 200;
    std::string json;
  };
  using Perform = Task<Result> (MatchActions::*)(MatchCall& call, std::string_view params);
  struct Action {
    std::string_view name;
    Needs needs;
    Perform perform;
  };
  static Action const* find(std::string_view name);
  static std::string names();

  Task<http::Response> perform(http::Request const& request, http::Stream& client);

  Task<Result> analyze_matches(MatchCall& call, std::string_view params);
  Task<Result> execute_conversation(MatchCall& call, std::string_view params);
  Task<Result> process_user_midnight(MatchCall& call, std::string_view params);
  Task<Result> analyze_outcome(MatchCall& call, std::string_view params);
  Task<Result> generate_report(MatchCall& call, std::string_view params);
  Task<Result> manual_match(MatchCall& call, std::string_view params);
  Task<Result> override_insights(MatchCall& call, std::string_view params);
  Task<Result> get_match_insights(MatchCall& call, std::string_view params);
  Task<Result> get_conversation_details(MatchCall& call, std::string_view params);
  Task<Result> get_analytics(MatchCall& call, std::string_view params);
  Task<Result> get_system_health(MatchCall& call, std::string_view params);

  static constexpr std::size_t count = 11;
  static const std::array<Action, count> actions;

  CallerReads& reads_;
  MatchRequests& requests_;
};

}  // namespace omnibus::gateway
