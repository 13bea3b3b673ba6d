// Two workers that settle many deliveries in opposite orders: the rows that they share are locked in one order.
#include "tests/workers/notify/ledger_fixture.hpp"

#include <future>

using namespace omnibus;
using namespace omnibus::notify;
using namespace omnibus::notify::test;

namespace {

constexpr auto first = "00000000-0000-0000-0000-000000000001";
constexpr auto second = "00000000-0000-0000-0000-000000000002";

/// Two tenants, each with a person whose session has the same id, in the order of their names.
class TwoTenants : public Ledger {
 public:
  TwoTenants() {
    add("a.example", first);
    add("b.example", second);
  }

  /// A delivery that is on its way.
  DeliveryPlan on_its_way(std::string const& tenant, std::string const& channel, std::int64_t cost_micros = 0) {
    auto sent = plan(channel, cost_micros);
    sent.domain = tenant;
    sent.profile_id = *parse_uuid(tenant == "a.example" ? first : second);
    sent.session_id = sent.profile_id;
    open(sent);
    REQUIRE(dispatch(sent) == Clearance::go);
    return sent;
  }

  /// Settles in this order, in a session of its own.
  std::future<void> settle(std::vector<DeliveryPlan> const& plans, Ending const& like) const {
    std::vector<Ending> endings;
    for (auto const& each : plans) {
      endings.push_back(like);
      endings.back().effect_key = each.effect_key;
    }
    return std::async(std::launch::async, [url = database.url_as("notify"), endings = std::move(endings)] {
      pqxx::connection worker{url};
      pqxx::work transaction{worker};
      notify::settle(transaction, endings);
      transaction.commit();
    });
  }

  void await_waiting(std::size_t sessions) const {
    pqxx::connection admin{database.url()};
    pqxx::nontransaction query{admin};
    while (query.query_value<std::size_t>("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                                          " AND datname = current_database()") < sessions)
      query.exec("SELECT pg_sleep(0.002)");
  }

 private:
  void add(std::string const& tenant, std::string const& id) const {
    database.add_tenant(tenant);
    pqxx::connection admin{database.url()};
    pqxx::nontransaction query{admin};
    query.exec("INSERT INTO profiles (id, domain, phone_number) VALUES ($1::uuid, $2, '+250788000001')",
               pqxx::params{id, tenant});
    query.exec(
        "INSERT INTO omnichannel_sessions (id, domain, profile_id, primary_channel, last_channel)"
        " VALUES ($1::uuid, $2, $1::uuid, 'voice', 'voice')",
        pqxx::params{id, tenant});
  }
};

}  // namespace

TEST_CASE("workers that settle the same people's deliveries in opposite orders do not deadlock") {
  TwoTenants ledger;
  std::string channel = "sms", held;
  std::int64_t cost = 0;
  Ending ending;
  ending.attempt = 1;
  ending.state = "failed";
  SUBCASE("what was spent is given back") {
    cost = 20'000;
    held = "SELECT FROM pipeline.spend WHERE domain = 'b.example' FOR NO KEY UPDATE";
  }
  SUBCASE("people are found to have no WhatsApp") {
    channel = "whatsapp";
    ending.error_code = "131026";
    held = "SELECT FROM profiles WHERE domain = 'b.example' FOR NO KEY UPDATE";
  }
  SUBCASE("sessions have their summaries") {
    ending.state = "accepted";  // with no id, so that each is settled alone
    held = "SELECT FROM omnichannel_sessions WHERE domain = 'b.example' FOR NO KEY UPDATE";
  }
  auto const one_a = ledger.on_its_way("a.example", channel, cost);
  auto const one_b = ledger.on_its_way("b.example", channel, cost);
  auto const other_a = ledger.on_its_way("a.example", channel, cost);
  auto const other_b = ledger.on_its_way("b.example", channel, cost);

  pqxx::connection admin{ledger.database.url()};
  std::optional<pqxx::work> holder{admin};
  holder->exec(held);
  auto descending = ledger.settle({one_b, one_a}, ending);  // the first in the queue for what is held
  ledger.await_waiting(1);
  auto ascending = ledger.settle({other_a, other_b}, ending);
  ledger.await_waiting(2);
  holder->commit();
  CHECK_NOTHROW(descending.get());
  CHECK_NOTHROW(ascending.get());
  for (auto const& each : {one_a, one_b, other_a, other_b}) CHECK(ledger.state(each) == ending.state + " 1");
}
