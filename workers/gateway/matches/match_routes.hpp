/// The routes about people, matches and agents' conversations.
#pragma once

#include "http/router.hpp"
#include "workers/gateway/matches/match_actions.hpp"
#include "workers/gateway/matches/match_reads.hpp"
#include "workers/gateway/matches/match_requests.hpp"
#include "workers/gateway/matches/turn_stream.hpp"

namespace omnibus::gateway {

/// What these routes stand on; all of it must outlive them.
struct MatchPorts {
  Admission& admission;
  AccessLog& access_log;
  Store& store;
  TransactionPool& pool;
  Waiting& waiting;
  MatchRequests::Publish publish;
  ReplyFeed& turns;  ///< of read_turn_notice
  StreamPlaces& places;
  StreamSettings const& streams;
};

/// Reads, actions and streams in one place. Use it on the event loop only.
class MatchRoutes {
 public:
  static constexpr Needs team = at_least(Role::operator_role);

  explicit MatchRoutes(MatchPorts ports);

  void add_to(http::Router& router);

  /// `PUT /v1/people/{id}`: the whole person; what is missing is empty from then on. 202 `{"event_id"}`; with
  /// `Prefer: wait` 200 and the person.
  Task<http::Response> put_person(http::Request const& request, http::Stream& client);
  /// `POST /v1/outcomes/{id}/collaboration` `{"tracked","details"}`: whether two people work together. 202
  /// `{"event_id"}`; with `Prefer: wait` 200 and the outcome.
  Task<http::Response> post_collaboration(http::Request const& request, http::Stream& client);

  /// `PUT /v1/reports/{id}/rating` `{"rating"}`: the person of a report rates it, 1 to 5. 202 `{"event_id"}`; with
  /// `Prefer: wait` 200 and the report.
  Task<http::Response> put_rating(http::Request const& request, http::Stream& client);

 private:
  CallerReads reads_;
  MatchRequests requests_;
  MatchReads match_reads_;
  MatchActions actions_;
  TurnStream turn_stream_;
};

}  // namespace omnibus::gateway
