/// Delivers one message over one channel, from the plan to an end that can be recorded.
#pragma once

#include "concurrency/task.hpp"
#include "handler/failure.hpp"
#include "workers/notify/config.hpp"
#include "workers/notify/ledger.hpp"
#include "workers/notify/providers/provider.hpp"
#include "workers/notify/store.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace omnibus::notify {

/// A message for one channel, in the channel's format.
struct Order {
  DeliveryPlan plan;
  Provider* provider = nullptr;  ///< null: the channel has no provider
  std::string text;
  std::string template_parameter;
  Pause pause{};  ///< how it waits for its turn; not empty when there is a provider
  std::optional<std::int64_t> expires_ms{};
  std::optional<std::int64_t> asked_ms{};  ///< when it was requested
};

/// The outcome of an order in one attempt.
struct Outcome {
  enum class Kind {
    settled,  ///< it had ended before: nothing to write
    ended,    ///< write `ending`
    again,    ///< retry; write `ending` if it has a state
    later,    ///< the same, but not the message's fault: count no attempt
  };
  Kind kind = Kind::settled;
  Ending ending{};
  std::string reason{};  ///< why it is retried; safe to log
  std::optional<std::chrono::milliseconds> retry_after{};
};

/// Takes deliveries through the ledger: dispatching (committed before a byte is sent), then sent; one that must wait
/// before it can be sent, or that ends without being sent, is claimed first. If a worker crashed while it sent a
/// message, the provider is asked, or the message is sent again or left in doubt, by the provider's abilities and the
/// channel's policy. Use it on the event loop only.
class Deliverer {
 public:
  /// @param store outlives it.
  Deliverer(DeliveryStore& store, NotifySettings const& settings) : settings_{settings}, store_{store} {}

  /// One attempt. `tries` is the number of attempts at the request, this one included. Above the setting, a delivery
  /// ends instead of being retried; a deferred one ends once its request is too old. An outcome that must be
  /// written is kept until forget(), so that a database outage in between causes neither a second sending nor
  /// a doubt about a known outcome.
  /// @throws Failure for an unknown tenant or person; the database's exceptions.
  Task<Outcome> deliver(Order const& order, std::uint32_t tries);

  /// The request now belongs to another worker, which reads the deliveries' outcomes from the ledger.
  Task<> leave(std::vector<Outcome> outcomes);

  /// The outcome of this delivery is written, or belongs to another worker now.
  void forget(Uuid const& effect_key) { known_.erase(effect_key); }

 private:
  Task<Outcome> open_and_deliver(Order const& order, std::uint32_t tries);
  Task<Outcome> take_step(Order const& order, Opened& opened, std::uint32_t tries);
  Task<> plan(Order const& order, Opened& opened);
  Task<> await_turn(Order const& order, Opened& opened, std::chrono::steady_clock::duration duration);
  Task<Clearance> dispatch(Order const& order, Opened& opened);
  Task<Outcome> send(Order const& order, Opened& opened, std::uint32_t tries);
  Task<Outcome> send_again(Order const& order, Opened& opened, std::uint32_t tries);
  Task<Outcome> ask(Order const& order, Opened& opened, std::uint32_t tries);
  Outcome read_result(Order const& order, std::int32_t attempt, std::uint32_t tries, SendResult const& result) const;
  std::optional<OutboundMessage> compose(Order const& order, Opened const& opened, std::string_view& skip) const;
  std::string words(Order const& order, Opened const& opened) const;
  DeliveryPolicy policy(Order const& order) const;
  Outcome refused(Order const& order, std::int32_t attempt, std::uint32_t tries, Refused const& refusal,
                  bool dispatched) const;
  bool exhausted(std::uint32_t tries) const;
  bool overdue(Order const& order) const;

  NotifySettings const settings_;
  DeliveryStore& store_;
  /// Shared with the attempts: one that never ends is destroyed with the event loop, after this.
  std::shared_ptr<std::unordered_set<Uuid>> in_hand_ = std::make_shared<std::unordered_set<Uuid>>();
  std::unordered_map<Uuid, std::int32_t> unsent_;  ///< attempts that were recorded as beginning but did not begin
  std::unordered_map<Uuid, Outcome> known_;
};

}  // namespace omnibus::notify
