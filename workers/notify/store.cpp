#include "workers/notify/store.hpp"

#include "postgres/column.hpp"
#include "postgres/prepared.hpp"
#include "postgres/rows.hpp"

#include <algorithm>
#include <functional>
#include <unordered_map>
#include <utility>

#include <boost/algorithm/string/join.hpp>
#include <fmt/format.h>
#include <pqxx/pqxx>

namespace omnibus::notify {
namespace {

using postgres::column;

// The fewer transactions at once, the more messages share one.
constexpr std::size_t most_together = 256;
constexpr std::size_t one_at_a_time = 1;

/// Millionths as PostgreSQL's numeric.
std::string decimal(std::int64_t micros) {
  return fmt::format("{}.{:06}", micros / 1'000'000, micros % 1'000'000);
}

std::string interval(std::chrono::milliseconds duration) {
  return std::to_string(duration.count()) + " milliseconds";
}

/// A row of pipeline.look_at_deliveries and pipeline.open_deliveries; values of the tenant, the person, the delivery or
/// its answer are absent if there is none.
struct OpenedRow {
  std::optional<std::string> tenant_status;
  bool known_person = false;
  std::optional<std::string> state;
  std::string kind;
  std::int64_t messages = 0, call_summaries = 0;  ///< to the person within a day
  std::int32_t attempt = 0;
  bool claimed = false;
  std::optional<std::string> phone_number, whatsapp_jid, whatsapp_user_id;
  std::optional<bool> has_whatsapp, has_sms;
  bool sms_opted_out = false;
  bool whatsapp_opted_out = false;
  std::optional<std::int64_t> last_whatsapp_inbound_ms;
  std::optional<std::chrono::system_clock::time_point> dispatched_at;
  std::optional<std::string> content;
  std::optional<std::chrono::milliseconds> others_lease;
  std::optional<std::string> provider;
  std::optional<Uuid> sender_id;
  std::optional<std::string> answer_state, provider_message_id, error_code, error_class, reason;
};
BOOST_DESCRIBE_STRUCT(OpenedRow, (),
                      (tenant_status, known_person, state, kind, messages, call_summaries, attempt, claimed,
                       phone_number, whatsapp_jid, whatsapp_user_id, has_whatsapp, has_sms, sms_opted_out,
                       whatsapp_opted_out, last_whatsapp_inbound_ms, dispatched_at, content, others_lease, provider,
                       sender_id, answer_state, provider_message_id, error_code, error_class, reason))

Opened opened_of(OpenedRow const& row) {
  Opened opened;
  opened.planned = row.state.has_value();
  opened.known_tenant = row.tenant_status.has_value();
  opened.active_tenant = row.tenant_status == "active";
  opened.known_person = row.known_person;
  opened.found = {row.state.value_or(""), row.attempt, row.claimed,
                  row.others_lease.value_or(std::chrono::milliseconds{}), row.answer_state.has_value()};
  opened.person = {row.phone_number,  row.whatsapp_jid,       row.whatsapp_user_id,         row.has_whatsapp,
                   row.sms_opted_out, row.whatsapp_opted_out, row.last_whatsapp_inbound_ms, row.has_sms};
  opened.dispatched_at = row.dispatched_at.value_or(std::chrono::system_clock::time_point{});
  opened.content = row.content;
  opened.kind = row.kind;
  opened.sent_today = {row.messages, row.call_summaries};
  opened.provider = row.provider;
  opened.sender_id = row.sender_id;
  opened.answer = {
      {},         row.attempt, row.answer_state.value_or(""), row.provider_message_id, row.error_code, row.error_class,
      row.reason, {}};
  return opened;
}

std::vector<Opened> all_opened(pqxx::result const& rows) {
  return column(postgres::read<OpenedRow>(rows), [](OpenedRow const& row) { return opened_of(row); });
}

/// A delivery to dispatch, and whether it may be dispatched.
struct ClearanceRow {
  Uuid effect_key;
  Clearance verdict{};
};
BOOST_DESCRIBE_STRUCT(ClearanceRow, (), (effect_key, verdict))

/// In the order of the deliveries; one without a row is lost.
template <class Delivery, class Key>
std::vector<Clearance> clearances(pqxx::result const& rows, std::vector<Delivery> const& deliveries, Key key) {
  std::unordered_map<Uuid, Clearance> verdicts;
  for (auto const& [effect_key, verdict] : postgres::read<ClearanceRow>(rows)) verdicts.emplace(effect_key, verdict);
  return column(deliveries, [&](Delivery const& delivery) {
    auto const found = verdicts.find(std::invoke(key, delivery));
    return found == verdicts.end() ? Clearance::lost : found->second;
  });
}

/// The first parameters are those of plan_params().
constexpr postgres::Prepared open_statement{
    "open_deliveries",
    "SELECT * FROM pipeline.open_deliveries($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::uuid[],"
    " $7::uuid[], $8::text[], $9::text[], $10::text[], $11::smallint[], $12::text[], $13::numeric[], $14::uuid[], $15,"
    " $16::interval) ORDER BY ordinal"};
constexpr postgres::Prepared dispatch_new_statement{
    "dispatch_new_deliveries",
    "SELECT effect_key, verdict FROM pipeline.dispatch_new_deliveries($1::uuid[], $2::uuid[], $3::text[], $4::text[],"
    " $5::text[], $6::uuid[], $7::uuid[], $8::text[], $9::text[], $10::text[], $11::smallint[], $12::text[],"
    " $13::numeric[], $14::uuid[], $15, $16::interval, $17::numeric, $18::text[])"};
constexpr postgres::Prepared dispatch_statement{
    "dispatch_deliveries",
    "SELECT effect_key, verdict"
    " FROM pipeline.dispatch_deliveries($1::uuid[], $2::int[], $3, $4::interval, $5::numeric, $6::text[])"};
constexpr postgres::Prepared look_statement{
    "look_at_deliveries",
    "SELECT * FROM pipeline.look_at_deliveries($1::uuid[], $2::uuid[], $3::text[], $4::uuid[], $5::text[], $6)"
    " ORDER BY ordinal"};

/// The plans of deliveries, a parameter for each of their columns. @param plan_of gives a delivery's plan
template <class Delivery, class PlanOf>
pqxx::params plan_params(std::vector<Delivery> const& deliveries, PlanOf plan_of) {
  pqxx::params params;
  auto const append = [&](auto value_of) {
    params.append(column(deliveries, [&](Delivery const& d) { return value_of(std::invoke(plan_of, d)); }));
  };
  auto const optional_uuid = [](std::optional<Uuid> const& id) {
    return id ? std::optional{to_string(*id)} : std::nullopt;
  };
  append([](DeliveryPlan const& p) { return to_string(p.effect_key); });
  append([](DeliveryPlan const& p) { return to_string(p.event_key); });
  append([](DeliveryPlan const& p) { return p.request_source; });
  append([](DeliveryPlan const& p) { return p.request_id; });
  append([](DeliveryPlan const& p) { return p.domain; });
  append([](DeliveryPlan const& p) { return to_string(p.profile_id); });
  append([&](DeliveryPlan const& p) { return optional_uuid(p.session_id); });
  append([](DeliveryPlan const& p) { return p.channel; });
  append([](DeliveryPlan const& p) { return p.provider; });
  append([](DeliveryPlan const& p) { return p.kind; });
  append([](DeliveryPlan const& p) { return p.segments; });
  append([](DeliveryPlan const& p) { return p.encoding; });
  append([](DeliveryPlan const& p) { return decimal(p.cost_micros); });
  append([&](DeliveryPlan const& p) { return optional_uuid(p.sender_id); });
  return params;
}

/// A state that the `ordinal`th delivery, counted from 1, has entered.
struct EnteredRow {
  std::size_t ordinal = 0;
  std::string state;
};
BOOST_DESCRIBE_STRUCT(EnteredRow, (), (ordinal, state))

}  // namespace

std::vector<Opened> look_at_deliveries(pqxx::connection& connection, std::vector<DeliveryPlan> const& plans,
                                       std::string const& claimant) {
  pqxx::nontransaction query{connection};
  return all_opened(
      postgres::run_prepared(query, look_statement,
                             {column(plans, [](DeliveryPlan const& p) { return to_string(p.effect_key); }),
                              column(plans, [](DeliveryPlan const& p) { return to_string(p.event_key); }),
                              column(plans, [](DeliveryPlan const& p) { return p.domain; }),
                              column(plans, [](DeliveryPlan const& p) { return to_string(p.profile_id); }),
                              column(plans, [](DeliveryPlan const& p) { return p.kind; }), claimant}));
}

std::vector<Opened> open_deliveries(pqxx::connection& connection, std::vector<DeliveryPlan> const& plans,
                                    std::string const& claimant, std::chrono::milliseconds lease) {
  pqxx::nontransaction query{connection};
  auto params = plan_params(plans, std::identity{});
  params.append(claimant);
  params.append(interval(lease));
  return all_opened(postgres::run_prepared(query, open_statement, params));
}

std::vector<Clearance> dispatch_deliveries(pqxx::connection& connection, std::vector<Departure> const& deliveries,
                                           std::string const& claimant, std::chrono::milliseconds lease,
                                           std::optional<double> cap) {
  pqxx::nontransaction query{connection};
  auto const rows = postgres::run_prepared(
      query, dispatch_statement,
      {column(deliveries, [](Departure const& d) { return to_string(d.effect_key); }),
       column(deliveries, [](Departure const& d) { return d.attempt; }), claimant, interval(lease), cap,
       column(deliveries, [](Departure const& d) { return boost::algorithm::join(d.subject_keys, " "); })});
  return clearances(rows, deliveries, &Departure::effect_key);
}

std::vector<Clearance> dispatch_new_deliveries(pqxx::connection& connection,
                                               std::vector<NewDeparture> const& deliveries, std::string const& claimant,
                                               std::chrono::milliseconds lease, std::optional<double> cap) {
  pqxx::nontransaction query{connection};
  auto params = plan_params(deliveries, &NewDeparture::plan);
  params.append(claimant);
  params.append(interval(lease));
  params.append(cap);
  params.append(column(deliveries, [](NewDeparture const& d) { return boost::algorithm::join(d.subject_keys, " "); }));
  auto const rows = postgres::run_prepared(query, dispatch_new_statement, params);
  return clearances(rows, deliveries, [](NewDeparture const& d) { return d.plan.effect_key; });
}

bool claim_again(pqxx::connection& connection, DeliveryPlan const& plan, std::int32_t attempt,
                 std::string const& claimant, std::chrono::milliseconds lease) {
  pqxx::nontransaction query{connection};
  return query
             .exec(
                 "UPDATE pipeline.delivery SET state = 'claimed', attempt = attempt + 1, unsure = true, claimed_by = "
                 "$3,"
                 " lease_until = now() + $4::interval, provider = $5, sender_id = $6, updated_at = now()"
                 " WHERE effect_key = $1 AND attempt = $2 AND state = 'dispatching'"
                 " AND (claimed_by = $3 OR lease_until <= now())",
                 pqxx::params{to_string(plan.effect_key), attempt, claimant, interval(lease), plan.provider,
                              plan.sender_id ? std::optional{to_string(*plan.sender_id)} : std::nullopt})
             .affected_rows() == 1;
}

EqualMessages compare(pqxx::connection& connection, DeliveryPlan const& plan, std::string const& recipient,
                      std::vector<std::string> const& ids) {
  pqxx::read_transaction transaction{connection};
  EqualMessages equal;
  equal.free = postgres::read<std::string>(
      transaction,
      "SELECT id FROM unnest($2::text[]) WITH ORDINALITY AS i (id, ordinal) WHERE NOT EXISTS (SELECT FROM "
      "pipeline.delivery d WHERE d.provider = $1 AND d.provider_message_id = i.id AND d.effect_key <> $3)"
      " ORDER BY ordinal",
      pqxx::params{plan.provider, ids, to_string(plan.effect_key)});
  // Any tenant's, as several may share a sender. One that ended in doubt may have been taken as well.
  equal.contested = transaction.query_value<bool>(
      "SELECT EXISTS (SELECT FROM pipeline.delivery d JOIN profiles p ON p.id = d.profile_id"
      " WHERE d.state IN ('dispatching', 'in_doubt') AND d.provider = $1 AND d.provider_message_id IS NULL"
      " AND d.effect_key <> $2 AND p.phone_number = $3 AND d.sender_id IS NOT DISTINCT FROM $4::uuid"
      " AND abs(EXTRACT(EPOCH FROM d.dispatched_at - (SELECT o.dispatched_at FROM pipeline.delivery o"
      " WHERE o.effect_key = $2))) < 900)",
      pqxx::params{plan.provider, to_string(plan.effect_key), recipient,
                   plan.sender_id ? std::optional{to_string(*plan.sender_id)} : std::nullopt});
  return equal;
}

std::vector<std::vector<std::string>> settle(pqxx::transaction_base& transaction, std::vector<Ending> const& endings) {
  auto const rows = postgres::read<EnteredRow>(
      transaction,
      "SELECT ordinal, state FROM pipeline.settle_deliveries($1::uuid[], $2::int[], $3::text[], $4::text[], $5::text[],"
      " $6::text[], $7::text[], $8::text[]), unnest(entered) WITH ORDINALITY AS e (state, step) ORDER BY ordinal, step",
      pqxx::params{column(endings, [](Ending const& e) { return to_string(e.effect_key); }),
                   column(endings, [](Ending const& e) { return e.attempt; }),
                   column(endings, [](Ending const& e) { return e.state; }),
                   column(endings, [](Ending const& e) { return e.provider_message_id; }),
                   column(endings, [](Ending const& e) { return e.error_code; }),
                   column(endings, [](Ending const& e) { return e.error_class; }),
                   column(endings, [](Ending const& e) { return e.reason; }),
                   column(endings, [](Ending const& e) { return e.content; })});
  std::vector<std::vector<std::string>> entered(endings.size());
  for (auto const& [ordinal, state] : rows) entered.at(ordinal - 1).push_back(state);
  return entered;
}

void leave_answer(pqxx::connection& connection, Ending const& ending, std::string const& claimant) {
  pqxx::nontransaction query{connection};
  query.exec(
      "UPDATE pipeline.delivery SET answer = jsonb_build_object('attempt', attempt, 'state', $3::text,"
      " 'provider_message_id', $4::text, 'error_code', $5::text, 'error_class', $6::text, 'reason', $7::text),"
      " updated_at = now() WHERE effect_key = $1 AND attempt = $2 AND state = 'dispatching' AND claimed_by = $8",
      pqxx::params{to_string(ending.effect_key), ending.attempt, ending.state, ending.provider_message_id,
                   ending.error_code, ending.error_class, ending.reason, claimant});
}

PostgresDeliveries::PostgresDeliveries(boost::asio::io_context& loop, TransactionPool& pool,
                                       NotifySettings const& settings)
    : pool_{pool},
      claimant_{to_string(random_uuid())},
      lease_{settings.claim_lease},
      cap_{settings.spend_cap_per_day > 0 ? std::optional{settings.spend_cap_per_day} : std::nullopt},
      looking_{loop, pool,
               [this](pqxx::connection& connection, std::vector<DeliveryPlan> const& plans) {
                 return look_at_deliveries(connection, plans, claimant_);
               },
               most_together, one_at_a_time},
      opening_{loop, pool,
               [this](pqxx::connection& connection, std::vector<DeliveryPlan> const& plans) {
                 return open_deliveries(connection, plans, claimant_, lease_);
               },
               most_together, one_at_a_time},
      dispatching_{loop, pool,
                   [this](pqxx::connection& connection, std::vector<Departure> const& deliveries) {
                     return dispatch_deliveries(connection, deliveries, claimant_, lease_, cap_);
                   },
                   most_together, one_at_a_time},
      dispatching_new_{loop, pool,
                       [this](pqxx::connection& connection, std::vector<NewDeparture> const& deliveries) {
                         return dispatch_new_deliveries(connection, deliveries, claimant_, lease_, cap_);
                       },
                       most_together, one_at_a_time} {}

Task<Opened> PostgresDeliveries::look(DeliveryPlan const& plan) {
  return looking_.submit(plan);
}

Task<Opened> PostgresDeliveries::open(DeliveryPlan const& plan) {
  return opening_.submit(plan);
}

Task<Clearance> PostgresDeliveries::dispatch(Departure const& departure) {
  return dispatching_.submit(departure);
}

Task<Clearance> PostgresDeliveries::dispatch_new(NewDeparture const& departure) {
  return dispatching_new_.submit(departure);
}

Task<bool> PostgresDeliveries::claim_again(DeliveryPlan const& plan, std::int32_t attempt) {
  return pool_.run([this, &plan, attempt](pqxx::connection& connection) {
    return notify::claim_again(connection, plan, attempt, claimant_, lease_);
  });
}

Task<EqualMessages> PostgresDeliveries::compare(DeliveryPlan const& plan, std::string const& recipient,
                                                std::vector<std::string> const& ids) {
  return pool_.run([&plan, &recipient, &ids](pqxx::connection& connection) {
    return notify::compare(connection, plan, recipient, ids);
  });
}

Task<> PostgresDeliveries::leave_answers(std::vector<Ending> const& endings) {
  return pool_.run([this, &endings](pqxx::connection& connection) {
    for (auto const& ending : endings) leave_answer(connection, ending, claimant_);
  });
}

void PostgresDeliveries::settle(UnitOfWork& unit, Ending const& ending, Entered then) {
  unit.write_together<&notify::settle>(ending, std::move(then));
}

std::optional<double> PostgresDeliveries::seconds_since_inbound_sms(UnitOfWork& unit, Uuid const& session_id) {
  return unit.transaction().query_value<std::optional<double>>(
      "SELECT EXTRACT(EPOCH FROM clock_timestamp() - max(created_at)) FROM message_delivery_log"
      " WHERE session_id = $1 AND direction = 'inbound' AND channel = 'sms'",
      pqxx::params{to_string(session_id)});
}

std::optional<Moved> PostgresDeliveries::receive(UnitOfWork& unit, DeliveryReceiptReceived const& receipt) {
  std::optional<std::string> effect_key;
  // A provider may return a value that is not ours.
  if (receipt.effect_key && parse_uuid(*receipt.effect_key)) effect_key = *receipt.effect_key;
  return postgres::read_optional<Moved>(
      unit.transaction(),
      "SELECT r.before, (r.delivery).state, (r.delivery).request_id, (r.delivery).domain, (r.delivery).profile_id,"
      " (r.delivery).channel, (r.delivery).provider, COALESCE((r.delivery).provider_message_id,"
      " (r.delivery).effect_key::text) AS provider_message_id, (r.delivery).segments,"
      " COALESCE((r.delivery).error_code, '') AS error_code"
      " FROM pipeline.receive_receipt($1, $2, $3, $4, $5::timestamptz, $6, $7) AS r",
      pqxx::params{receipt.provider, receipt.provider_message_id, effect_key, receipt.status, receipt.occurred_at,
                   receipt.error_code, receipt.domain});
}

std::vector<Abandoned> PostgresDeliveries::give_up(UnitOfWork& unit, std::vector<Uuid> const& effect_keys,
                                                   Failure const& failure) {
  auto& transaction = unit.transaction();
  auto const keys = column(effect_keys, [](Uuid const& key) { return to_string(key); });
  // Claimed by no process, so that none sends it now; sorted as in pipeline.open_deliveries.
  auto const unsent = postgres::read<Departure>(
      transaction,
      "UPDATE pipeline.delivery d SET state = 'claimed', claimed_by = NULL, lease_until = NULL, updated_at = now()"
      " FROM (SELECT effect_key FROM pipeline.delivery WHERE effect_key = ANY ($1::uuid[])"
      "       AND state IN ('planned', 'claimed') ORDER BY effect_key FOR UPDATE) AS unsent"
      " WHERE d.effect_key = unsent.effect_key RETURNING d.effect_key, d.attempt",
      pqxx::params{keys});
  std::vector<Ending> endings;
  endings.reserve(unsent.size());
  for (auto const& each : unsent)
    endings.push_back({each.effect_key,
                       each.attempt,
                       "failed",
                       {},
                       std::string{given_up},
                       failure.error_class(),
                       std::string{failure.what()},
                       {}});
  std::vector<Abandoned> abandoned;
  auto entered = endings.empty() ? std::vector<std::vector<std::string>>{} : notify::settle(transaction, endings);
  for (std::size_t i = 0; i < entered.size(); ++i)
    for (auto& state : entered[i]) abandoned.push_back({endings[i].effect_key, std::move(state)});
  // Messages that were requested, and given up before they were planned.
  auto const unplanned = postgres::read<Uuid>(
      transaction,
      "UPDATE message_delivery_log l SET status = 'failed', error_code = $2, error_class = $3, updated_at = now()"
      " WHERE l.effect_key = ANY ($1::uuid[]) AND l.status = 'planned'"
      " AND NOT EXISTS (SELECT FROM pipeline.delivery d WHERE d.effect_key = l.effect_key) RETURNING l.effect_key",
      pqxx::params{keys, given_up, failure.error_class()});
  for (auto const& effect_key : unplanned) abandoned.push_back({effect_key, "failed"});
  return abandoned;
}

}  // namespace omnibus::notify
