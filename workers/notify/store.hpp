/// All the SQL of the notify worker.
#pragma once

#include "events/inbound.hpp"
#include "handler/unit_of_work.hpp"
#include "uuid/uuid.hpp"
#include "workers/notify/ledger.hpp"
#include "workers/notify/window.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

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

/// Plans what is new and claims what may be sent, for `claimant` and until another claims it: in one transaction,
/// results in the order of `plans`. What the claimant has claimed before is its own still.
std::vector<Opened> open_deliveries(pqxx::connection& connection, std::vector<DeliveryPlan> const& plans,
                                    std::string const& claimant, std::chrono::milliseconds lease);

/// What is about to be sent.
struct Departure {
  Uuid effect_key{};
  std::int32_t attempt = 1;
};
enum class Clearance { go, lost, capped, opted_out };
BOOST_DESCRIBE_ENUM(Clearance, go, lost, capped, opted_out)

/// Writes down that these are on their way, where they are still the claimant's, their tenants' caps allow it and their
/// people have not said STOP meanwhile; in one transaction, results in the order given. For the lease nobody else
/// judges them. `cap` is that of tenants without one of their own.
std::vector<Clearance> dispatch_deliveries(pqxx::connection& connection, std::vector<Departure> const& deliveries,
                                           std::string const& claimant, std::chrono::milliseconds lease,
                                           std::optional<double> cap);

/// Claims another attempt at a delivery that was on its way and nobody knows of, by the plan's provider. @return false
/// when it has moved on meanwhile, or another process may be sending it still.
bool claim_again(pqxx::connection& connection, DeliveryPlan const& plan, std::int32_t attempt,
                 std::string const& claimant, std::chrono::milliseconds lease);

/// Of the ids that a provider says a message may have, the first that no other delivery has.
std::optional<std::string> first_free_id(pqxx::connection& connection, std::string const& provider,
                                         std::vector<std::string> const& ids, Uuid const& effect_key);

/// Writes endings down. @return for each the states that its delivery entered, in order.
std::vector<std::vector<std::string>> settle(pqxx::transaction_base& transaction, std::vector<Ending> const& endings);

/// Leaves an ending with its delivery, for the worker that has its request now to write down. Nothing where it is not
/// on its way any more, by this claimant and in this attempt.
void leave_answer(pqxx::connection& connection, Ending const& ending, std::string const& claimant);

/// Seconds from the newest SMS of a session to now.
std::optional<double> seconds_since_inbound_sms(UnitOfWork& unit, Uuid const& session_id);

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

/// Takes a receipt. Nothing when it tells nothing new, or is kept for a delivery that is not known yet.
std::optional<Moved> receive(UnitOfWork& unit, DeliveryReceiptReceived const& receipt);

}  // namespace omnibus::notify
