#include "workers/gateway/matches/match_routes.hpp"

#include "json/encode.hpp"
#include "matches/person_text.hpp"
#include "matches/reads.hpp"
#include "matches/time_zones.hpp"
#include "workers/gateway/door/guard.hpp"
#include "workers/gateway/matches/query.hpp"
#include "workers/gateway/routes/json_body.hpp"

#include <string>
#include <utility>

#include <boost/describe/class.hpp>

namespace omnibus::gateway {
namespace {

struct AcceptedRequest {
  std::string event_id;
};
BOOST_DESCRIBE_STRUCT(AcceptedRequest, (), (event_id))

struct CollaborationBody {
  bool tracked = false;
  std::optional<std::string> details;
};
BOOST_DESCRIBE_STRUCT(CollaborationBody, (), (tracked, details))

struct RatingBody {
  std::int64_t rating = 0;
};
BOOST_DESCRIBE_STRUCT(RatingBody, (), (rating))

/// A field that may be left out, and says something else than the request does.
Refusal other_than(std::string field, std::string_view what) {
  return {422, "The request is not valid", field + " is not " + std::string(what), std::move(field)};
}

/// The thing as it is once its worker has handled the event; without one, that the event was accepted.
template <class Thing>
http::Response answer_of(MatchCall const& call, PublishedCall const& published, std::optional<Thing> const& thing) {
  auto response = thing ? http::json_response(200, json::encode(*thing))
                        : http::json_response(202, json::encode(AcceptedRequest{published.event_id}));
  call.apply_to(response);
  return response;
}

}  // namespace

MatchRoutes::MatchRoutes(MatchPorts ports)
    : reads_(ports.admission, ports.access_log, ports.store, ports.pool),
      requests_(reads_, ports.waiting, std::move(ports.publish)),
      match_reads_(reads_),
      actions_(reads_, requests_),
      turn_stream_(reads_, ports.turns, ports.places, ports.streams) {}

Task<http::Response> MatchRoutes::put_person(http::Request const& request, http::Stream& client) {
  auto admission = reads_.admit(request, team);
  auto caller = co_await std::move(admission);
  MatchCall call{request, client, std::move(caller)};
  auto const id = path_id(request);
  require_json(request);
  auto text = read_whole_json<matches::PersonText>(request.body);
  if (text.user_id.value_or(id) != id) throw other_than("user_id", "the id in the path");
  if (text.domain.value_or(call.caller.scope.domain) != call.caller.scope.domain)
    throw other_than("domain", "the tenant of the request");
  text.user_id = id;
  auto asking = requests_.ask(
      call, "match",
      [person = matches::person_of(std::move(text), call.caller.scope.domain)](pqxx::transaction_base& transaction) {
        return matches::plan_person(transaction, matches::TimeZones{transaction}, person);
      });
  auto const published = co_await std::move(asking);
  std::optional<matches::ShownPerson> person;
  if (published.handled) {
    auto reading = requests_.read(
        call, [=](pqxx::transaction_base& transaction) { return matches::read_person(transaction, id); });
    person = co_await std::move(reading);
  }
  co_return answer_of(call, published, person);
}

Task<http::Response> MatchRoutes::post_collaboration(http::Request const& request, http::Stream& client) {
  auto admission = reads_.admit(request, team);
  auto caller = co_await std::move(admission);
  MatchCall call{request, client, std::move(caller)};
  auto const id = path_id(request);
  require_json(request);
  auto const body = read_json<CollaborationBody>(request.body);
  auto asking = requests_.ask(call, "outcome", [=, &call](pqxx::transaction_base& transaction) {
    return matches::plan_collaboration(transaction, id, body.tracked, body.details, call.caller.principal.id);
  });
  auto const published = co_await std::move(asking);
  std::optional<matches::ShownOutcome> outcome;
  if (published.handled) {
    auto reading = requests_.read(
        call, [=](pqxx::transaction_base& transaction) { return matches::read_outcome(transaction, id); });
    outcome = co_await std::move(reading);
  }
  co_return answer_of(call, published, outcome);
}

Task<http::Response> MatchRoutes::put_rating(http::Request const& request, http::Stream& client) {
  auto admission = reads_.admit(request, at_least(Role::visitor));
  auto caller = co_await std::move(admission);
  MatchCall call{request, client, std::move(caller)};
  auto const id = path_id(request);
  require_json(request);
  auto const rating = read_whole_json<RatingBody>(request.body).rating;
  auto const person = call.caller.principal.person;
  if (!person) throw Refusal(403, "Not allowed", "A report is rated by its person, with a token of that person");
  auto asking = requests_.ask(call, "report", [=](pqxx::transaction_base& transaction) {
    return matches::plan_rating(transaction, id, *person, rating);
  });
  auto const published = co_await std::move(asking);
  std::optional<matches::ShownReport> report;
  if (published.handled) {
    auto reading = requests_.read(
        call, [=](pqxx::transaction_base& transaction) { return matches::read_report_text(transaction, id); });
    report = co_await std::move(reading);
  }
  co_return answer_of(call, published, report);
}

void MatchRoutes::add_to(http::Router& router) {
  using Read = Task<http::Response> (MatchReads::*)(http::Request const&);
  using Write = Task<http::Response> (MatchRoutes::*)(http::Request const&, http::Stream&);
  auto const get = [&](std::string_view pattern, Read read) {
    router.get(pattern,
               guarded(pattern, [this, read](http::Request const& request) { return (match_reads_.*read)(request); }));
  };
  auto const write = [&](std::string method, std::string_view pattern, Write handler) {
    router.add_stream(std::move(method), pattern,
                      guarded_waiting(pattern, [this, handler](http::Request const& request, http::Stream& client) {
                        return (this->*handler)(request, client);
                      }));
  };
  get("/v1/people", &MatchReads::people);
  get("/v1/people/{id}", &MatchReads::person);
  get("/v1/matches", &MatchReads::matches);
  get("/v1/matches/{id}", &MatchReads::match);
  get("/v1/matches/{id}/insights", &MatchReads::insights);
  get("/v1/agent-conversations", &MatchReads::agent_conversations);
  get("/v1/agent-conversations/{id}", &MatchReads::agent_conversation);
  get("/v1/outcomes", &MatchReads::outcomes);
  get("/v1/processing-logs", &MatchReads::processing_logs);
  get("/v1/match-analytics", &MatchReads::analytics);
  get("/v1/match-calibration", &MatchReads::calibration);
  get("/v1/system-health", &MatchReads::system_health);
  get("/v1/reports", &MatchReads::reports);
  get("/v1/reports/{id}", &MatchReads::report);
  write("PUT", "/v1/people/{id}", &MatchRoutes::put_person);
  write("POST", "/v1/outcomes/{id}/collaboration", &MatchRoutes::post_collaboration);
  write("PUT", "/v1/reports/{id}/rating", &MatchRoutes::put_rating);
  constexpr std::string_view actions = "/v1/actions/{action}";
  router.add_stream("POST", actions,
                    guarded_waiting(actions, [this](http::Request const& request, http::Stream& client) {
                      return actions_.post(request, client);
                    }));
  constexpr std::string_view turns = "/v1/agent-conversations/{id}/events";
  router.add_stream("GET", turns, guarded_stream(turns, [this](http::Request const& request, http::Stream& stream) {
                      return turn_stream_.get(request, stream);
                    }));
}

}  // namespace omnibus::gateway
