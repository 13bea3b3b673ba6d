/// What the notify worker keeps.
#pragma once

#include "concurrency/task.hpp"
#include "events/inbound.hpp"
#include "handler/failure.hpp"
#include "handler/unit_of_work.hpp"
#include "postgres/group_commit.hpp"
#include "postgres/pool.hpp"
#include "uuid/uuid.hpp"
#include "workers/notify/config.hpp"
#include "workers/notify/ledger.hpp"
#include "workers/notify/window.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>

namespace pqxx {
class connection;
class transaction_base;
}  // namespace pqxx

namespace omnibus::notify {

/// One message that is to be sent over one channel, as the ledger knows it.
struct DeliveryPlan {
  Uuid effect_key{};
  Uuid event_key{};
  std::string request_source;
  std::string request_id;
  std::string domain;
  Uuid profile_id{};
  std::optional<Uuid> session_id{};
  std::string channel;
  std::string provider;
  std::string kind;
  std::optional<std::int32_t> segments{};
  std::optional<std::string> encoding{};
  std::int64_t cost_micros = 0;
};

/// How an attempt ended.
struct Ending {
  Uuid effect_key{};
  std::int32_t attempt = 1;
  std::string state;  ///< accepted, failed, in_doubt, skipped; planned: refused, and to be tried again
  std::optional<std::string> provider_message_id{};
  std::optional<std::string> error_code{};
  std::optional<std::string> error_class{};
  std::optional<std::string> reason{};
  std::optional<std::string> content{};
};

/// A delivery that was opened: what is found of it, and who it is for.
struct Opened {
  bool known_tenant = false;
  bool active_tenant = false;
  bool known_person = false;
  Found found{};
  Person person{};
  std::optional<std::string> provider{};  ///< whom an earlier attempt was given to
  std::chrono::system_clock::time_point dispatched_at{};
  std::optional<std::string> content{};  ///< of one that is sent again: what it said, formatted
  Ending answer{};                       ///< of one that was left with it: how this attempt ended
};

/// An attempt that is about to be made.
struct Departure {
  Uuid effect_key{};
  std::int32_t attempt = 1;
};
BOOST_DESCRIBE_STRUCT(Departure, (), (effect_key, attempt))
enum class Clearance { go, lost, capped, opted_out };
BOOST_DESCRIBE_ENUM(Clearance, go, lost, capped, opted_out)

/// A delivery that a receipt moved.
struct Moved {
  std::string before;
  std::string state;
  std::string request_id;
  std::string domain;
  Uuid profile_id{};
  std::string channel;
  std::string provider;
  std::string provider_message_id;  ///< the effect key where the provider gave none
  std::optional<std::int64_t> segments{};
  std::string error_code;
};
BOOST_DESCRIBE_STRUCT(Moved, (),
                      (before, state, request_id, domain, profile_id, channel, provider, provider_message_id, segments,
                       error_code))

/// A delivery that ended because its request was given up, and the state it entered.
struct Abandoned {
  Uuid effect_key{};
  std::string state;  ///< failed; in_doubt where an earlier attempt may have arrived
};

/// The error code of deliveries that ended because their request was given up.
inline constexpr std::string_view given_up = "given_up";

/// The ledger of deliveries as one claimant, such as a process, reads and writes it. Belongs to the event loop; what
/// takes a unit of work is called on a thread of the pool. References that it is given must live until the task ends.
class DeliveryStore {
 public:
  /// Called with the states that a delivery entered, in order.
  using Entered = std::function<void(std::vector<std::string>)>;

  virtual ~DeliveryStore() = default;

  /// Plans the delivery if it is new and claims it if it may be sent, until the claim's lease ends. What the claimant
  /// has claimed before stays its own.
  virtual Task<Opened> open(DeliveryPlan const& plan) = 0;

  /// Writes down that a message is on its way, where it is still the claimant's, its tenant's cap allows it and its
  /// person has not said STOP meanwhile. For another lease no other claimant judges it.
  virtual Task<Clearance> dispatch(Departure const& departure) = 0;

  /// Claims another attempt at a delivery that was on its way and whose fate is unknown, by the plan's provider.
  /// @return false when it has moved on meanwhile, or another process may be sending it still.
  virtual Task<bool> claim_again(DeliveryPlan const& plan, std::int32_t attempt) = 0;

  /// Of the ids that a provider says a message may have, the first that no other delivery has.
  virtual Task<std::optional<std::string>> first_free_id(DeliveryPlan const& plan,
                                                         std::vector<std::string> const& ids) = 0;

  /// Leaves endings with their deliveries, for the worker that has their request now to write down. Nothing where a
  /// delivery is not on its way any more, by this claimant and in this attempt.
  virtual Task<> leave_answers(std::vector<Ending> const& endings) = 0;

  /// Writes an ending down, together with those of other units; then calls `then`, before the unit is committed.
  virtual void settle(UnitOfWork& unit, Ending const& ending, Entered then) = 0;

  /// Takes a receipt. Nothing when it tells nothing new, or is kept for a delivery that is not known yet.
  virtual std::optional<Moved> receive(UnitOfWork& unit, DeliveryReceiptReceived const& receipt) = 0;

  /// Seconds from the newest SMS of a session to now.
  virtual std::optional<double> seconds_since_inbound_sms(UnitOfWork& unit, Uuid const& session_id) = 0;

  /// Ends what was asked for and has not left, with the failure's class, in the ledger and in the log. What is on its
  /// way or in doubt stays as it is. Should the request be handled after all, as when its dead letter is redriven, what
  /// failed here is opened as another attempt. @return what ended.
  virtual std::vector<Abandoned> give_up(UnitOfWork& unit, std::vector<Uuid> const& effect_keys,
                                         Failure const& failure) = 0;
};

/// The same in PostgreSQL: all the SQL of the notify worker. Deliveries that are opened or dispatched at the same time
/// share a transaction.
class PostgresDeliveries final : public DeliveryStore {
 public:
  PostgresDeliveries(boost::asio::io_context& loop, TransactionPool& pool, NotifySettings const& settings);

  Task<Opened> open(DeliveryPlan const& plan) override;
  Task<Clearance> dispatch(Departure const& departure) override;
  Task<bool> claim_again(DeliveryPlan const& plan, std::int32_t attempt) override;
  Task<std::optional<std::string>> first_free_id(DeliveryPlan const& plan,
                                                 std::vector<std::string> const& ids) override;
  Task<> leave_answers(std::vector<Ending> const& endings) override;
  void settle(UnitOfWork& unit, Ending const& ending, Entered then) override;
  std::optional<Moved> receive(UnitOfWork& unit, DeliveryReceiptReceived const& receipt) override;
  std::optional<double> seconds_since_inbound_sms(UnitOfWork& unit, Uuid const& session_id) override;
  std::vector<Abandoned> give_up(UnitOfWork& unit, std::vector<Uuid> const& effect_keys,
                                 Failure const& failure) override;

 private:
  TransactionPool& pool_;
  std::string const claimant_;  ///< this process
  std::chrono::milliseconds const lease_;
  postgres::GroupCommit<DeliveryPlan, Opened> opening_;
  postgres::GroupCommit<Departure, Clearance> dispatching_;
};

/// DeliveryStore::open of many, in one transaction, by any claimant: results in the order of `plans`.
std::vector<Opened> open_deliveries(pqxx::connection& connection, std::vector<DeliveryPlan> const& plans,
                                    std::string const& claimant, std::chrono::milliseconds lease);

/// DeliveryStore::dispatch of many, in one transaction: results in the order given. `cap` is that of tenants without
/// one of their own.
std::vector<Clearance> dispatch_deliveries(pqxx::connection& connection, std::vector<Departure> const& deliveries,
                                           std::string const& claimant, std::chrono::milliseconds lease,
                                           std::optional<double> cap);

/// DeliveryStore::claim_again by any claimant.
bool claim_again(pqxx::connection& connection, DeliveryPlan const& plan, std::int32_t attempt,
                 std::string const& claimant, std::chrono::milliseconds lease);

/// DeliveryStore::first_free_id.
std::optional<std::string> first_free_id(pqxx::connection& connection, std::string const& provider,
                                         std::vector<std::string> const& ids, Uuid const& effect_key);

/// Writes endings down. @return for each the states that its delivery entered, in order.
std::vector<std::vector<std::string>> settle(pqxx::transaction_base& transaction, std::vector<Ending> const& endings);

/// DeliveryStore::leave_answers of one, by any claimant.
void leave_answer(pqxx::connection& connection, Ending const& ending, std::string const& claimant);

}  // namespace omnibus::notify
