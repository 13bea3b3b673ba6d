/// The data of the notify worker.
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
#include "workers/notify/spend_limits.hpp"
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

/// One message for one channel, as the ledger has it.
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
  std::optional<Uuid> sender_id{};  ///< the tenant's sender; nothing: that of the settings
  std::optional<std::int32_t> segments{};
  std::optional<std::string> encoding{};
  std::int64_t cost_micros = 0;
};

/// The outcome of an attempt.
struct Ending {
  Uuid effect_key{};
  std::int32_t attempt = 1;
  std::string state;  ///< accepted, failed, in_doubt, skipped; planned: refused, and to be retried
  std::optional<std::string> provider_message_id{};
  std::optional<std::string> error_code{};
  std::optional<std::string> error_class{};
  std::optional<std::string> reason{};
  std::optional<std::string> content{};
};

/// A delivery as it was looked at or opened: its stored state, and its recipient.
struct Opened {
  bool planned = false;  ///< the ledger has it
  bool known_tenant = false;
  bool active_tenant = false;
  bool known_person = false;
  Found found{};
  Person person{};
  /// The kind in the ledger: the answer to a keyword only if the worker that obeyed it wrote it into the log.
  std::string kind{};
  SentToday sent_today{};
  std::optional<std::string> provider{};  ///< the provider of an earlier attempt
  std::optional<Uuid> sender_id{};        ///< and the tenant's sender
  std::chrono::system_clock::time_point dispatched_at{};
  std::optional<std::string> content{};  ///< of one that is sent again: its formatted text
  Ending answer{};                       ///< of one with a stored answer: the outcome of this attempt
};

/// An attempt that is about to begin.
struct Departure {
  Uuid effect_key{};
  std::int32_t attempt = 1;
  std::vector<std::string> subject_keys{};  ///< of the person, by which an opt-out may be kept; besides the profile's
};
BOOST_DESCRIBE_STRUCT(Departure, (), (effect_key, attempt))
enum class Clearance { go, lost, capped, opted_out };
BOOST_DESCRIBE_ENUM(Clearance, go, lost, capped, opted_out)

/// The first attempt at a message that the ledger does not have yet.
struct NewDeparture {
  DeliveryPlan plan;
  std::vector<std::string> subject_keys;  ///< as a Departure's
};

/// What the ledger knows of the messages at a provider that a message in doubt may be one of.
struct EqualMessages {
  std::vector<std::string> free{};  ///< those that no other delivery has
  bool contested = false;           ///< another message to the same number may be one of them: its id is not known yet
};

/// A delivery that a receipt moved.
struct Moved {
  std::string before;
  std::string state;
  std::string request_id;
  std::string domain;
  Uuid profile_id{};
  std::string channel;
  std::string provider;
  std::string provider_message_id;  ///< the effect key if the provider gave none
  std::optional<std::int64_t> segments{};
  std::string error_code;
};
BOOST_DESCRIBE_STRUCT(Moved, (),
                      (before, state, request_id, domain, profile_id, channel, provider, provider_message_id, segments,
                       error_code))

/// A delivery that ended because its request was given up, and the state it entered.
struct Abandoned {
  Uuid effect_key{};
  std::string state;  ///< failed; in_doubt if an earlier attempt may have arrived
};

/// The error code of deliveries that ended because their request was given up.
inline constexpr std::string_view given_up = "given_up";

/// The ledger of deliveries, as one claimant (such as a process) reads and writes it. Use it on the event loop;
/// functions with a unit of work run on a thread of the pool. Reference parameters must live until the task ends.
class DeliveryStore {
 public:
  /// Called with the states that a delivery entered, in order.
  using Entered = std::function<void(std::vector<std::string>)>;

  virtual ~DeliveryStore() = default;

  /// The delivery as it is. Writes nothing: one that is new is not planned, and may be dispatched as new.
  virtual Task<Opened> look(DeliveryPlan const& plan) = 0;

  /// Plans the delivery if it is new, and claims it, if it may be sent, until the claim's lease ends. Deliveries that
  /// the claimant has claimed before stay claimed.
  virtual Task<Opened> open(DeliveryPlan const& plan) = 0;

  /// Records that a message is being sent, if the claimant still has it, its tenant's cap allows it, its
  /// person has not sent STOP since, and no suppression is kept by one of the keys. For another lease no other claimant
  /// decides about it.
  virtual Task<Clearance> dispatch(Departure const& departure) = 0;

  /// The same for a delivery that is new, which it plans at once. If it may not go, it is claimed. If it is new no
  /// more, or its tenant or person is gone, it is `lost`; but if this claimant has dispatched it, by a commit that
  /// seemed to fail, it may go.
  virtual Task<Clearance> dispatch_new(NewDeparture const& departure) = 0;

  /// Claims another attempt at a delivery in doubt, with the plan's provider.
  /// @return false when its state has changed, or another process may still be sending it.
  virtual Task<bool> claim_again(DeliveryPlan const& plan, std::int32_t attempt) = 0;

  /// Compares the message's candidate ids from a provider with other deliveries. @param recipient in E.164
  virtual Task<EqualMessages> compare(DeliveryPlan const& plan, std::string const& recipient,
                                      std::vector<std::string> const& ids) = 0;

  /// Stores endings with their deliveries, for the worker that now has the request to record. Skips a
  /// delivery that this claimant is no longer sending in this attempt.
  virtual Task<> leave_answers(std::vector<Ending> const& endings) = 0;

  /// Records an ending, together with those of other units; then calls `then`, before the unit is committed.
  virtual void settle(UnitOfWork& unit, Ending const& ending, Entered then) = 0;

  /// Takes a receipt. Nothing when it is not new, or is stored for a delivery that is not known yet.
  virtual std::optional<Moved> receive(UnitOfWork& unit, DeliveryReceiptReceived const& receipt) = 0;

  /// Seconds from the newest SMS of a session to now.
  virtual std::optional<double> seconds_since_inbound_sms(UnitOfWork& unit, Uuid const& session_id) = 0;

  /// Ends messages that were requested and not sent, with the failure's class, in the ledger and in the log. A message
  /// that is being sent or in doubt stays unchanged. If the request is handled later, as after a redrive, the
  /// messages that failed here get another attempt. @return those that ended.
  virtual std::vector<Abandoned> give_up(UnitOfWork& unit, std::vector<Uuid> const& effect_keys,
                                         Failure const& failure) = 0;
};

/// The same in PostgreSQL: all SQL of the notify worker. Deliveries that are looked at, opened or dispatched at the
/// same time share a transaction.
class PostgresDeliveries final : public DeliveryStore {
 public:
  PostgresDeliveries(boost::asio::io_context& loop, TransactionPool& pool, NotifySettings const& settings);

  Task<Opened> look(DeliveryPlan const& plan) override;
  Task<Opened> open(DeliveryPlan const& plan) override;
  Task<Clearance> dispatch(Departure const& departure) override;
  Task<Clearance> dispatch_new(NewDeparture const& departure) override;
  Task<bool> claim_again(DeliveryPlan const& plan, std::int32_t attempt) override;
  Task<EqualMessages> compare(DeliveryPlan const& plan, std::string const& recipient,
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
  std::optional<double> const cap_;
  postgres::GroupCommit<DeliveryPlan, Opened> looking_;
  postgres::GroupCommit<DeliveryPlan, Opened> opening_;
  postgres::GroupCommit<Departure, Clearance> dispatching_;
  postgres::GroupCommit<NewDeparture, Clearance> dispatching_new_;
};

/// DeliveryStore::look of many, by any claimant: results in the order of `plans`.
std::vector<Opened> look_at_deliveries(pqxx::connection& connection, std::vector<DeliveryPlan> const& plans,
                                       std::string const& claimant);

/// DeliveryStore::open of many, in one transaction, by any claimant: results in the order of `plans`.
std::vector<Opened> open_deliveries(pqxx::connection& connection, std::vector<DeliveryPlan> const& plans,
                                    std::string const& claimant, std::chrono::milliseconds lease);

/// DeliveryStore::dispatch of many, in one transaction: results in the order given. `cap` applies to tenants without
/// a cap in their row.
std::vector<Clearance> dispatch_deliveries(pqxx::connection& connection, std::vector<Departure> const& deliveries,
                                           std::string const& claimant, std::chrono::milliseconds lease,
                                           std::optional<double> cap);

/// DeliveryStore::dispatch_new of many, likewise.
std::vector<Clearance> dispatch_new_deliveries(pqxx::connection& connection,
                                               std::vector<NewDeparture> const& deliveries, std::string const& claimant,
                                               std::chrono::milliseconds lease, std::optional<double> cap);

/// DeliveryStore::claim_again by any claimant.
bool claim_again(pqxx::connection& connection, DeliveryPlan const& plan, std::int32_t attempt,
                 std::string const& claimant, std::chrono::milliseconds lease);

/// DeliveryStore::compare.
EqualMessages compare(pqxx::connection& connection, DeliveryPlan const& plan, std::string const& recipient,
                      std::vector<std::string> const& ids);

/// Records endings. @return for each the states that its delivery entered, in order.
std::vector<std::vector<std::string>> settle(pqxx::transaction_base& transaction, std::vector<Ending> const& endings);

/// DeliveryStore::leave_answers of one, by any claimant.
void leave_answer(pqxx::connection& connection, Ending const& ending, std::string const& claimant);

}  // namespace omnibus::notify
