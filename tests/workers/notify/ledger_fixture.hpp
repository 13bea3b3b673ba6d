/// The ledger in a migrated database, as the roles that use it.
#pragma once

#include "engine/commit/handler_unit.hpp"
#include "events/notification.hpp"
#include "tests/common/postgres/database_fixture.hpp"
#include "workers/notify/store.hpp"

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <doctest/doctest.h>
#include <pqxx/pqxx>

namespace omnibus::notify::test {

using States = std::vector<std::string>;

inline constexpr auto domain = "shop.example";
inline constexpr std::chrono::milliseconds lease{60'000};
inline constexpr std::chrono::milliseconds over{-1};

/// A person, and one connection of the notify worker's that acts for any claimant.
class Ledger {
 public:
  Ledger() {
    database.add_tenant(domain);
    pqxx::connection admin{database.url()};
    pqxx::nontransaction query{admin};
    profile = *parse_uuid(query.query_value<std::string>("INSERT INTO profiles (domain, phone_number) VALUES ('" +
                                                         std::string{domain} + "', '+250788123456') RETURNING id"));
    session = *parse_uuid(query.query_value<std::string>("SELECT id FROM get_or_create_omnichannel_session('" +
                                                         to_string(profile) + "', 'voice', 'follow_up')"));
  }

  DeliveryPlan plan(std::string channel = "sms", std::int64_t cost_micros = 0) const {
    DeliveryPlan plan;
    plan.event_key = random_uuid();
    plan.effect_key = name_uuid(plan.event_key, channel);
    plan.request_source = "/test";
    plan.request_id = to_string(plan.event_key);
    plan.domain = domain;
    plan.profile_id = profile;
    plan.session_id = session;
    plan.provider = channel == "sms" ? "mtn_sms" : "whatsapp_cloud";
    plan.channel = std::move(channel);
    plan.kind = "call_summary";
    plan.segments = 1;
    plan.encoding = "gsm7";
    plan.cost_micros = cost_micros;
    return plan;
  }

  Opened look(DeliveryPlan const& plan, std::string const& claimant = "a") {
    return look_at_deliveries(notify, {plan}, claimant).front();
  }
  Opened open(DeliveryPlan const& plan, std::string const& claimant = "a", std::chrono::milliseconds until = lease) {
    if (plan.kind == "opt_out" || plan.kind == "opt_in" || plan.kind == "help") ask_for(plan);  // as the SMS worker
    return open_deliveries(notify, {plan}, claimant, until).front();
  }
  Clearance dispatch(DeliveryPlan const& plan, std::int32_t attempt = 1, std::string const& claimant = "a",
                     std::optional<double> cap = {}, std::chrono::milliseconds until = lease) {
    return dispatch_deliveries(notify, {{plan.effect_key, attempt}}, claimant, until, cap).front();
  }
  /// By a worker that has looked at it, and found nothing.
  Clearance dispatch_new(DeliveryPlan const& plan, std::string const& claimant = "a", std::optional<double> cap = {}) {
    return dispatch_new_deliveries(notify, {{plan, {}}}, claimant, lease, cap).front();
  }
  /// Its worker is sending it, for longer than its lease lasts.
  void dispatch_for_too_long(DeliveryPlan const& plan) { dispatch(plan, 1, "a", {}, over); }
  std::vector<std::string> end(DeliveryPlan const& plan, std::string_view state, std::int32_t attempt = 1,
                               std::optional<std::string> id = {}, std::optional<std::string> code = {}) {
    Ending ending;
    ending.effect_key = plan.effect_key;
    ending.attempt = attempt;
    ending.state = state;
    ending.provider_message_id = std::move(id);
    ending.error_code = std::move(code);
    ending.content = "Agreed: 250k";
    pqxx::work transaction{notify};
    auto const entered = settle(transaction, {ending});
    transaction.commit();
    return entered.at(0);
  }
  std::optional<Moved> receipt(DeliveryPlan const& plan, std::string status, std::optional<std::string> id,
                               bool with_key = false, std::optional<std::string> code = {}) {
    DeliveryReceiptReceived receipt;
    receipt.provider = plan.provider;
    receipt.status = std::move(status);
    receipt.occurred_at = "2026-11-20T12:00:00Z";
    receipt.provider_message_id = std::move(id);
    if (with_key) receipt.effect_key = to_string(plan.effect_key);
    receipt.error_code = std::move(code);
    std::optional<Moved> moved;
    in_unit([&](UnitOfWork& unit) { moved = store.receive(unit, receipt); });
    return moved;
  }
  /// The plan's request is parked. @return the states its delivery entered.
  std::vector<std::string> give_up(DeliveryPlan const& plan) {
    std::vector<std::string> states;
    in_unit([&](UnitOfWork& unit) {
      for (auto const& each :
           store.give_up(unit, {plan.effect_key}, Failure::permanent("the tenant is not active", "inactive_tenant"))) {
        CHECK(each.effect_key == plan.effect_key);
        states.push_back(each.state);
      }
    });
    return states;
  }
  /// Whoever asks for a message writes it into the log.
  void ask_for(DeliveryPlan const& plan) const {
    value("SELECT log_message_delivery('" + to_string(plan.effect_key) + "', '" + to_string(plan.profile_id) +
          "', NULL, '" + plan.channel + "', 'outbound', '" + (plan.kind == "call_summary" ? "message" : plan.kind) +
          "', 'planned', 'Agreed: 250k')");
  }
  void in_unit(std::function<void(UnitOfWork&)> const& work) {
    pqxx::work transaction{notify};
    postgres::Gathered gathered;
    postgres::OpenUnit inner{transaction, gathered};
    auto const parent = originate("/test", NotificationRequested::type);
    engine::HandlerUnit unit{inner, engine::EventMaker{parent, "notify"}};
    work(unit);
    transaction.commit();
  }

  std::string value(std::string const& query) const {
    pqxx::connection admin{database.url()};
    return pqxx::nontransaction{admin}.query_value<std::string>(query);
  }
  std::string state(DeliveryPlan const& plan) const {
    return value("SELECT state || ' ' || attempt FROM pipeline.delivery WHERE effect_key = '" +
                 to_string(plan.effect_key) + "'");
  }
  std::string log(DeliveryPlan const& plan, std::string const& column = "status") const {
    return value("SELECT " + column + " FROM message_delivery_log WHERE effect_key = '" + to_string(plan.effect_key) +
                 "'");
  }

  omnibus::test::TestDatabase database;
  pqxx::connection notify{database.url_as("notify")};
  boost::asio::io_context loop{1};
  TransactionPool pool{PoolSettings{}};  // of which nothing here uses a connection
  PostgresDeliveries store{loop, pool, NotifySettings{}};
  Uuid profile;
  Uuid session;
};

}  // namespace omnibus::notify::test
