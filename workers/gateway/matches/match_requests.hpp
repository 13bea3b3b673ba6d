/// Publishing what people of the team ask of the workers that match people.
#pragma once

#include "concurrency/task.hpp"
#include "http/router.hpp"
#include "matches/requests.hpp"
#include "workers/gateway/door/waiting.hpp"
#include "workers/gateway/matches/caller.hpp"
#include "workers/gateway/publisher.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace omnibus::gateway {

/// One request that may publish, while it is served. Lives as long as its coroutine.
struct MatchCall {
  http::Request const& request;
  http::Stream& client;
  Caller caller;
  std::optional<Wait> wait{};  ///< once it has published

  /// Tells the client by `Preference-Applied` whether its preference was heeded.
  void apply_to(http::Response& response) const {
    if (wait) wait->apply(response);
  }
};

/// What became of a call's events.
struct PublishedCall {
  std::string event_id;  ///< of the first event; empty without one
  Uuid event_key{};      ///< the same in its worker's inbox
  std::int64_t events = 0;
  bool handled = false;  ///< the client waited, and the worker has handled all of them

  int status() const { return handled ? 200 : 202; }
};

/// Plans, publishes, and waits when the client prefers. Use it on the event loop only.
class MatchRequests {
 public:
  /// Publishes all events of a call, those of one key in order. @throws as Publisher::publish_all does
  using Publish = std::function<Task<>(std::vector<Publisher::Event>)>;

  MatchRequests(CallerReads& reads, Waiting& waiting, Publish publish)
      : reads_(reads), waiting_(waiting), publish_(std::move(publish)) {}

  /// Reads what the plan needs as the caller, then publishes what `plan(transaction)` returns: an event or several.
  /// With `Prefer: wait` it waits for `worker`.
  /// @throws Refusal for what InvalidRequest says, 503 when too many wait, and the class of a dead letter.
  template <class Plan>
  Task<PublishedCall> ask(MatchCall& call, std::string_view worker, Plan plan) {
    auto planning = reads_.read(call.caller.scope, std::move(plan));
    auto planned = co_await std::move(planning);
    auto publishing = publish_planned(call, worker, listed(std::move(planned)));
    co_return co_await std::move(publishing);
  }

  /// Reads as the caller, as CallerReads::read.
  template <class Work>
  auto read(MatchCall const& call, Work work) {
    return reads_.read(call.caller.scope, std::move(work));
  }

 private:
  using Planned = std::vector<matches::PlannedEvent>;

  static Planned listed(Planned planned) { return planned; }
  static Planned listed(matches::PlannedEvent planned) { return {std::move(planned)}; }
  Task<PublishedCall> publish_planned(MatchCall& call, std::string_view worker, Planned planned);

  CallerReads& reads_;
  Waiting& waiting_;
  Publish publish_;
};

}  // namespace omnibus::gateway
