/// One message over one channel: from the plan to an end that can be written down.
#pragma once

#include "concurrency/task.hpp"
#include "handler/failure.hpp"
#include "workers/notify/config.hpp"
#include "workers/notify/ledger.hpp"
#include "workers/notify/providers/provider.hpp"
#include "workers/notify/store.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace omnibus::notify {

/// What is to be sent over one channel, formatted for it.
struct Order {
  DeliveryPlan plan;
  Provider* provider = nullptr;  ///< null: nobody carries messages over this channel
  std::string text;
  std::string template_parameter;
  std::optional<std::int64_t> expires_ms{};
  std::optional<std::int64_t> asked_ms{};  ///< when it was asked for
};

/// What became of an order in one attempt.
struct Outcome {
  enum class Kind {
    settled,  ///< it had ended before: nothing is to be written
    ended,    ///< `ending` is to be written
    again,    ///< to be tried again; `ending` is to be written if it has a state
    later,    ///< the same, and it is no fault of the message's: no attempt is to be counted
  };
  Kind kind = Kind::settled;
  Ending ending{};
  std::string reason{};  ///< why it is tried again; safe to log
  std::optional<std::chrono::milliseconds> retry_after{};
};

/// Takes deliveries through the ledger: claimed, then dispatching, committed before a byte leaves, then sent. What was
/// on its way when its worker died is asked for, sent again or left in doubt, as the provider and the channel's policy
/// say. Belongs to the event loop.
class Deliverer {
 public:
  /// @param store outlives it.
  Deliverer(DeliveryStore& store, NotifySettings const& settings) : settings_{settings}, store_{store} {}

  /// One attempt. `tries` is how often the request was tried, this time included: beyond the setting, what would be
  /// tried again ends; what would be tried later ends once it was asked for too long ago. An outcome that is to be
  /// written is kept until forget(), so that a database that cannot be reached in between makes nobody send again, nor
  /// doubt what is known.
  /// @throws Failure for a tenant or person who is not there; what the database threw.
  Task<Outcome> deliver(Order const& order, std::uint32_t tries);

  /// The request has become another worker's, who is told by the ledger how its deliveries ended.
  Task<> leave(std::vector<Outcome> outcomes);

  /// The outcome of this delivery is written, or another worker's affair now.
  void forget(Uuid const& effect_key) { known_.erase(effect_key); }

 private:
  Task<Outcome> open_and_deliver(Order const& order, std::uint32_t tries);
  Task<Outcome> take_step(Order const& order, Opened const& opened, std::uint32_t tries);
  Task<Outcome> send(Order const& order, Opened const& opened, std::uint32_t tries);
  Task<Outcome> send_again(Order const& order, Opened opened, std::uint32_t tries);
  Task<Outcome> ask(Order const& order, Opened const& opened, std::uint32_t tries);
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
  std::unordered_set<Uuid> in_hand_;
  std::unordered_map<Uuid, std::int32_t> unsent_;  ///< attempts that got no further than writing down that they begin
  std::unordered_map<Uuid, Outcome> known_;
};

}  // namespace omnibus::notify
