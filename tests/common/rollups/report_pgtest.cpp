// What the read side tells of calls that the worker has kept.
#include "json/encode.hpp"
#include "rollups/report.hpp"
#include "tests/common/postgres/database_fixture.hpp"
#include "tests/workers/telemetry/items.hpp"
#include "workers/telemetry/handler.hpp"

#include <chrono>
#include <numeric>

#include <doctest/doctest.h>
#include <pqxx/pqxx>

using namespace omnibus;
using namespace omnibus::rollups;
using namespace omnibus::telemetry;
using namespace omnibus::telemetry::test;

namespace {

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

class Fixture : public omnibus::test::TestDatabase {
 public:
  void add(std::vector<Item> const& items) const {
    std::vector<Item const*> all;
    all.reserve(items.size());
    for (auto const& item : items) all.push_back(&item);
    pqxx::connection connection{url_as("telemetry")};
    pqxx::work transaction{connection};
    TelemetryHandler{}.apply(transaction, all);
    transaction.commit();
  }
  void execute(std::string const& sql) const {
    pqxx::connection connection{url()};
    pqxx::nontransaction{connection}.exec(sql);
  }
  Report read(QueryText const& text, std::string_view role = "readonly",
              std::string const& settings = "SELECT 1") const {
    pqxx::connection connection{url_as(role)};
    pqxx::read_transaction transaction{connection};
    transaction.exec(settings);
    return read_report(transaction, read_query(text, now_ms()));
  }
};

QueryText of_day(std::string_view granularity) {
  QueryText text;
  text.from = "2026-11-18";
  text.to = "2026-11-19";
  text.granularity = granularity;
  return text;
}

Item call_at(std::string_view time, std::string const& domain, std::string const& model, std::int64_t duration,
             bool success = true) {
  auto call = a_call();
  call.domain = domain;
  call.request_model = model;
  call.duration_ms = duration;
  return item_of(call, time, success);
}

/// Two tenants, two models, two hours.
std::vector<Item> a_day() {
  return {call_at("2026-11-18T10:05:00Z", "shop.example", "small", 100),
          call_at("2026-11-18T10:40:00Z", "shop.example", "large", 300),
          call_at("2026-11-18T12:00:00Z", "shop.example", "small", 200, false),
          call_at("2026-11-18T12:20:00Z", "bank.example", "small", 4000),
          call_at("2026-11-17T23:59:59Z", "bank.example", "small", 1),
          call_at("2026-11-19T00:00:00Z", "bank.example", "small", 1)};
}

template <class Rows>
std::string calls_of(Rows const& rows) {
  std::string all;
  for (auto const& row : rows)
    if (row.calls > 0) all += std::to_string(row.calls) + ' ';
  return all;
}

}  // namespace

TEST_CASE("a report of a day has its sums, and buckets for all of it at every granularity") {
  Fixture const fixture;
  fixture.add(a_day());
  auto const hours = fixture.read(of_day("1h"));
  CHECK(hours.totals.calls == 4);
  CHECK(hours.totals.errors == 1);
  CHECK(hours.totals.input_tokens == 1600);
  CHECK(hours.totals.output_tokens == 200);
  CHECK(hours.totals.cost_usd == "0.000360000");
  REQUIRE(hours.totals.latency_ms);
  CHECK(std::abs(hours.totals.latency_ms->p50 - 200) <= 10);
  CHECK(std::abs(hours.totals.latency_ms->p99 - 300) <= 15);  // of four values the third: not the highest
  REQUIRE(hours.trend.size() == 24);
  CHECK(hours.trend[10].start == "2026-11-18T10:00:00Z");
  CHECK(hours.trend[10].calls == 2);
  CHECK(hours.trend[11].calls == 0);
  CHECK(!hours.trend[11].latency_ms);
  CHECK(hours.trend[12].errors == 1);
  auto const quarters = fixture.read(of_day("15m"));
  CHECK(quarters.trend.size() == 96);
  CHECK(calls_of(quarters.trend) == "1 1 1 1 ");
  auto const day = fixture.read(of_day("1d"));
  CHECK(day.trend.size() == 1);
  CHECK(json::encode(day.totals) == json::encode(hours.totals));
  CHECK(json::encode(day.totals) == json::encode(quarters.totals));
}

TEST_CASE("a report can be of one domain and of one model, and tells the others of what it is not") {
  Fixture const fixture;
  fixture.add(a_day());
  auto const all = fixture.read(of_day("1h"));
  REQUIRE(all.domains.size() == 2);
  CHECK(all.domains[0].domain == "shop.example");
  CHECK(calls_of(all.domains) == "3 1 ");
  REQUIRE(all.models.size() == 2);
  CHECK(all.models[0].model == "small");
  CHECK(calls_of(all.models) == "3 1 ");
  auto text = of_day("1h");
  text.domain = "shop.example";
  auto const shop = fixture.read(text);
  CHECK(shop.totals.calls == 3);
  CHECK(calls_of(shop.models) == "2 1 ");
  CHECK(calls_of(shop.domains) == "3 ");
  text.model = "small";
  auto const small = fixture.read(text);
  CHECK(small.totals.calls == 2);
  CHECK(calls_of(small.trend) == "1 1 ");
  CHECK(calls_of(small.models) == "2 ");
  CHECK(calls_of(small.domains) == "2 ");
  text.model = "' OR true --";
  auto const none = fixture.read(text);
  CHECK(none.totals.calls == 0);
  CHECK(none.totals.cost_usd == "0.000000000");
  CHECK(none.trend.size() == 24);
  CHECK(none.models.empty());
}

TEST_CASE("the gateway is shown one tenant's sums, and an operator's request all of them") {
  Fixture const fixture;
  fixture.add(a_day());
  auto text = of_day("1h");
  CHECK(fixture.read(text, "gateway", "SELECT set_config('app.role', 'operator', true)").totals.calls == 4);
  auto const tenant = "SELECT set_config('app.tenant', 'bank.example', true)";
  CHECK(fixture.read(text, "gateway", tenant).totals.calls == 0);
  text.domain = "bank.example";
  auto const own = fixture.read(text, "gateway", tenant);
  CHECK(own.totals.calls == 1);
  CHECK(calls_of(own.models) == "1 ");
  text.domain = "shop.example";
  auto const other = fixture.read(text, "gateway", tenant);
  CHECK(other.totals.calls == 0);
  CHECK(other.models.empty());
  CHECK(other.domains.empty());
}

TEST_CASE("live sessions are the conversations that asked a model just now") {
  Fixture const fixture;
  auto const ago = [](std::int64_t seconds, std::string const& domain, Uuid const& conversation) {
    auto item = call_at(format_time_ms(now_ms() - seconds * 1000), domain, "small", 5);
    std::get<LlmCallCompleted>(item.event).conversation_id = conversation;
    return item;
  };
  auto const first = random_uuid();
  fixture.add({ago(1, "shop.example", first), ago(2, "shop.example", first), ago(3, "shop.example", random_uuid()),
               ago(4, "bank.example", random_uuid()), ago(400, "shop.example", random_uuid())});
  CHECK(fixture.read({}).live_sessions == 3);
  QueryText text;
  text.domain = "shop.example";
  CHECK(fixture.read(text).live_sessions == 2);
}

TEST_CASE("the projection goes on like the part of the range that is past") {
  Fixture const fixture;
  auto call = a_call();
  call.cost_usd = "2.400000000";
  fixture.add({item_of(call, "2026-11-18T10:00:00Z")});
  auto const past = fixture.read(of_day("1h"));
  CHECK(past.projection.cost_usd_per_hour == "0.100000000");
  CHECK(past.projection.cost_usd_in_30_days == "72.000000000");
}

TEST_CASE("sums of a range that reaches up to now are stale when nothing was added for too long") {
  Fixture const fixture;
  auto const state = [](Report const& report) {
    std::string text;
    for (auto const& each : report.freshness)
      text += each.granularity + (each.refreshed_at ? " written" : " never") + (each.stale ? " stale, " : " fresh, ");
    return text;
  };
  CHECK(state(fixture.read({})) == "15m never stale, 1d never stale, ");
  CHECK(state(fixture.read(of_day("1h"))) == "15m never fresh, 1d never fresh, ");  // long past: nothing is missing
  auto const now = format_time_ms(now_ms());
  fixture.add({call_at(now, "shop.example", "small", 5)});
  CHECK(state(fixture.read({})) == "15m written fresh, 1d written fresh, ");
  auto const age = [&](std::string const& by) {
    fixture.execute("UPDATE chat_telemetry_rollups SET refreshed_at = now() - interval '" + by + "'");
  };
  age("44 minutes");
  CHECK(state(fixture.read({})) == "15m written fresh, 1d written fresh, ");
  age("46 minutes");
  CHECK(state(fixture.read({})) == "15m written stale, 1d written fresh, ");
  age("27 hours");
  CHECK(state(fixture.read({})) == "15m written stale, 1d written stale, ");
}
