#include "workers/gateway/matches/match_requests.hpp"

#include "kafka/cloud_event.hpp"

namespace omnibus::gateway {

Task<PublishedCall> MatchRequests::publish_planned(MatchCall& call, std::string_view worker, Planned planned) {
  constexpr std::string_view event_source = "/omnibus/gateway";
  std::vector<Publisher::Event> events;
  std::vector<Uuid> keys;
  PublishedCall published;
  for (auto& each : planned) {
    auto envelope = originate(event_source, each.type, call.request.headers.find("traceparent").value_or(""));
    keys.push_back(event_key(envelope));
    if (events.empty()) {
      published.event_id = envelope.id;
      published.event_key = keys.front();
    }
    events.push_back({std::move(envelope), std::move(each.data), std::move(each.key)});
  }
  published.events = std::ssize(events);
  call.wait.emplace(waiting_.begin(call.request));
  auto publishing = publish_(std::move(events));
  co_await std::move(publishing);
  for (auto const& key : keys) {
    auto waiting = call.wait->handled(std::string(worker), key, call.client);
    auto const outcome = co_await std::move(waiting);
    if (!outcome) co_return published;
    if (outcome->parked()) throw refusal_of(*outcome);
  }
  published.handled = call.wait->wanted();
  co_return published;
}

}  // namespace omnibus::gateway
