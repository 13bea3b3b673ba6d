#include "workers/notify/store.hpp"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>
#include <pqxx/pqxx>

namespace omnibus::notify {
namespace {

// Sorted, so that two processes with the same deliveries wait for one another instead of deadlocking. `d` is the row as
// it was before this statement; one that is planned by somebody else meanwhile is in neither.
constexpr auto open_query = R"(
  WITH asked AS (
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::uuid[], $7::uuid[], $8::text[],
                         $9::text[], $10::text[], $11::smallint[], $12::text[], $13::numeric[])
      WITH ORDINALITY AS a (effect_key, event_key, request_source, request_id, domain, profile_id, session_id, channel,
                            provider, kind, segments, encoding, cost, ordinal)
  ), opened AS (
    INSERT INTO pipeline.delivery AS d
      (effect_key, event_key, request_source, request_id, domain, profile_id, session_id, channel, provider, kind,
       segments, encoding, cost, state, claimed_by, lease_until)
    SELECT a.effect_key, a.event_key, a.request_source, a.request_id, a.domain, a.profile_id, a.session_id, a.channel,
           a.provider, a.kind, a.segments, a.encoding, a.cost, 'claimed', $14, now() + $15::interval
    FROM asked a JOIN profiles p ON p.id = a.profile_id AND p.domain = a.domain
                 JOIN tenants t ON t.domain = a.domain AND t.status = 'active'
    ORDER BY a.effect_key
    ON CONFLICT (effect_key) DO UPDATE
    SET state = 'claimed', claimed_by = excluded.claimed_by, lease_until = excluded.lease_until, provider = excluded.provider,
        updated_at = now()
    WHERE d.state = 'planned'
       OR d.state = 'claimed' AND (d.lease_until <= now() OR d.claimed_by = excluded.claimed_by)
    RETURNING d.effect_key, d.attempt
  )
  SELECT t.status, p.id IS NOT NULL, d.state, COALESCE(o.attempt, d.attempt, 1), o.effect_key IS NOT NULL,
         p.phone_number, p.whatsapp_jid, p.whatsapp_user_id, p.has_whatsapp,
         NOT p.allows_sms OR p.sms_opt_out_at IS NOT NULL, p.whatsapp_opt_out_at IS NOT NULL,
         floor(EXTRACT(EPOCH FROM p.last_whatsapp_inbound_at) * 1000)::bigint,
         floor(EXTRACT(EPOCH FROM d.dispatched_at) * 1000)::bigint,
         (SELECT l.content FROM message_delivery_log l WHERE d.attempt > 1 AND l.effect_key = a.effect_key),
         CASE WHEN d.claimed_by <> $14 THEN floor(EXTRACT(EPOCH FROM d.lease_until - now()) * 1000)::bigint END,
         d.provider, w.state, w.provider_message_id, w.error_code, w.error_class, w.reason
  FROM asked a
  LEFT JOIN tenants t ON t.domain = a.domain
  LEFT JOIN profiles p ON p.id = a.profile_id AND p.domain = a.domain
  LEFT JOIN opened o ON o.effect_key = a.effect_key
  LEFT JOIN pipeline.delivery d ON d.effect_key = a.effect_key
  LEFT JOIN LATERAL jsonb_to_record(d.answer) AS w (attempt int, state text, provider_message_id text, error_code text,
                                                    error_class text, reason text) ON w.attempt = d.attempt
  ORDER BY a.ordinal)";

/// Millionths as PostgreSQL's numeric.
std::string decimal(std::int64_t micros) {
  return fmt::format("{}.{:06}", micros / 1'000'000, micros % 1'000'000);
}

std::string interval(std::chrono::milliseconds duration) {
  return std::to_string(duration.count()) + " milliseconds";
}

/// A column of many rows, as an array parameter.
template <class Row, class Get>
auto column(std::vector<Row> const& rows, Get get) {
  std::vector<decltype(get(rows.front()))> values;
  values.reserve(rows.size());
  for (auto const& row : rows) values.push_back(get(row));
  return values;
}

template <class T>
std::optional<T> maybe(pqxx::field const& field) {
  return field.is_null() ? std::nullopt : std::optional<T>{field.as<T>()};
}

Opened read_opened(pqxx::row const& row) {
  Opened opened;
  opened.known_tenant = !row[0].is_null();
  opened.active_tenant = opened.known_tenant && row[0].view() == "active";
  opened.known_person = row[1].as<bool>();
  opened.found = {row[2].as<std::string>(""), row[3].as<std::int32_t>(), row[4].as<bool>(),
                  std::chrono::milliseconds{row[14].as<std::int64_t>(0)}, !row[16].is_null()};
  opened.person = {maybe<std::string>(row[5]),  maybe<std::string>(row[6]), maybe<std::string>(row[7]),
                   maybe<bool>(row[8]),         row[9].as<bool>(false),     row[10].as<bool>(false),
                   maybe<std::int64_t>(row[11])};
  opened.dispatched_at = std::chrono::system_clock::time_point{std::chrono::milliseconds{row[12].as<std::int64_t>(0)}};
  opened.content = maybe<std::string>(row[13]);
  opened.provider = maybe<std::string>(row[15]);
  opened.answer = {{},
                   opened.found.attempt,
                   row[16].as<std::string>(""),
                   maybe<std::string>(row[17]),
                   maybe<std::string>(row[18]),
                   maybe<std::string>(row[19]),
                   maybe<std::string>(row[20]),
                   {}};
  return opened;
}

}  // namespace

std::vector<Opened> open_deliveries(pqxx::connection& connection, std::vector<DeliveryPlan> const& plans,
                                    std::string const& claimant, std::chrono::milliseconds lease) {
  auto const optional_uuid = [](std::optional<Uuid> const& id) {
    return id ? std::optional{to_string(*id)} : std::nullopt;
  };
  pqxx::nontransaction query{connection};
  auto const rows = query.exec(
      open_query, pqxx::params{column(plans, [](DeliveryPlan const& p) { return to_string(p.effect_key); }),
                               column(plans, [](DeliveryPlan const& p) { return to_string(p.event_key); }),
                               column(plans, [](DeliveryPlan const& p) { return p.request_source; }),
                               column(plans, [](DeliveryPlan const& p) { return p.request_id; }),
                               column(plans, [](DeliveryPlan const& p) { return p.domain; }),
                               column(plans, [](DeliveryPlan const& p) { return to_string(p.profile_id); }),
                               column(plans, [&](DeliveryPlan const& p) { return optional_uuid(p.session_id); }),
                               column(plans, [](DeliveryPlan const& p) { return p.channel; }),
                               column(plans, [](DeliveryPlan const& p) { return p.provider; }),
                               column(plans, [](DeliveryPlan const& p) { return p.kind; }),
                               column(plans, [](DeliveryPlan const& p) { return p.segments; }),
                               column(plans, [](DeliveryPlan const& p) { return p.encoding; }),
                               column(plans, [](DeliveryPlan const& p) { return decimal(p.cost_micros); }), claimant,
                               interval(lease)});
  std::vector<Opened> opened;
  opened.reserve(plans.size());
  for (auto const& row : rows) opened.push_back(read_opened(row));
  return opened;
}

std::vector<Clearance> dispatch_deliveries(pqxx::connection& connection, std::vector<Departure> const& deliveries,
                                           std::string const& claimant, std::chrono::milliseconds lease,
                                           std::optional<double> cap) {
  pqxx::nontransaction query{connection};
  auto const rows = query.exec(
      "SELECT effect_key, verdict"
      " FROM pipeline.dispatch_deliveries($1::uuid[], $2::int[], $3, $4::interval, $5::numeric)",
      pqxx::params{column(deliveries, [](Departure const& d) { return to_string(d.effect_key); }),
                   column(deliveries, [](Departure const& d) { return d.attempt; }), claimant, interval(lease), cap});
  std::unordered_map<std::string, Clearance> verdicts;
  for (auto const& row : rows) {
    auto const word = row[1].view();
    verdicts.emplace(row[0].as<std::string>(), word == "go"          ? Clearance::go
                                               : word == "capped"    ? Clearance::capped
                                               : word == "opted_out" ? Clearance::opted_out
                                                                     : Clearance::lost);
  }
  return column(deliveries, [&](Departure const& d) {
    auto const found = verdicts.find(to_string(d.effect_key));
    return found == verdicts.end() ? Clearance::lost : found->second;
  });
}

bool claim_again(pqxx::connection& connection, DeliveryPlan const& plan, std::int32_t attempt,
                 std::string const& claimant, std::chrono::milliseconds lease) {
  pqxx::nontransaction query{connection};
  return query
             .exec(
                 "UPDATE pipeline.delivery SET state = 'claimed', attempt = attempt + 1, unsure = true, claimed_by = "
                 "$3,"
                 " lease_until = now() + $4::interval, provider = $5, updated_at = now()"
                 " WHERE effect_key = $1 AND attempt = $2 AND state = 'dispatching'"
                 " AND (claimed_by = $3 OR lease_until <= now())",
                 pqxx::params{to_string(plan.effect_key), attempt, claimant, interval(lease), plan.provider})
             .affected_rows() == 1;
}

std::optional<std::string> first_free_id(pqxx::connection& connection, std::string const& provider,
                                         std::vector<std::string> const& ids, Uuid const& effect_key) {
  pqxx::nontransaction query{connection};
  auto const rows = query.exec(
      "SELECT id FROM unnest($2::text[]) WITH ORDINALITY AS i (id, ordinal) WHERE NOT EXISTS (SELECT FROM "
      "pipeline.delivery d WHERE d.provider = $1 AND d.provider_message_id = i.id AND d.effect_key <> $3)"
      " ORDER BY ordinal LIMIT 1",
      pqxx::params{provider, ids, to_string(effect_key)});
  return rows.empty() ? std::nullopt : std::optional{rows[0][0].as<std::string>()};
}

std::vector<std::vector<std::string>> settle(pqxx::transaction_base& transaction, std::vector<Ending> const& endings) {
  auto const rows = transaction.exec(
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
  for (auto const& row : rows) entered.at(row[0].as<std::size_t>() - 1).push_back(row[1].as<std::string>());
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

std::optional<double> seconds_since_inbound_sms(UnitOfWork& unit, Uuid const& session_id) {
  auto const rows = unit.transaction().exec(
      "SELECT EXTRACT(EPOCH FROM clock_timestamp() - max(created_at)) FROM message_delivery_log"
      " WHERE session_id = $1 AND direction = 'inbound' AND channel = 'sms'",
      pqxx::params{to_string(session_id)});
  return maybe<double>(rows[0][0]);
}

std::optional<Moved> receive(UnitOfWork& unit, DeliveryReceiptReceived const& receipt) {
  std::optional<std::string> effect_key;
  // What a provider echoes is not always ours.
  if (receipt.effect_key && parse_uuid(*receipt.effect_key)) effect_key = *receipt.effect_key;
  auto const rows = unit.transaction().exec(
      "SELECT r.before, (r.delivery).state, (r.delivery).request_id, (r.delivery).domain, (r.delivery).profile_id,"
      " (r.delivery).channel, (r.delivery).provider, COALESCE((r.delivery).provider_message_id,"
      " (r.delivery).effect_key::text), (r.delivery).segments, COALESCE((r.delivery).error_code, '')"
      " FROM pipeline.receive_receipt($1, $2, $3, $4, $5::timestamptz, $6) AS r",
      pqxx::params{receipt.provider, receipt.provider_message_id, effect_key, receipt.status, receipt.occurred_at,
                   receipt.error_code});
  if (rows.empty()) return std::nullopt;
  auto const row = rows[0];
  Moved moved;
  moved.before = row[0].as<std::string>();
  moved.state = row[1].as<std::string>();
  moved.request_id = row[2].as<std::string>();
  moved.domain = row[3].as<std::string>();
  moved.profile_id = parse_uuid(row[4].view()).value_or(Uuid{});
  moved.channel = row[5].as<std::string>();
  moved.provider = row[6].as<std::string>();
  moved.provider_message_id = row[7].as<std::string>();
  moved.segments = maybe<std::int64_t>(row[8]);
  moved.error_code = row[9].as<std::string>();
  return moved;
}

}  // namespace omnibus::notify
