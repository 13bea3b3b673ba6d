// What the call worker writes for a call that is parked, in an engine and a migrated database as role call.
#include "assistant/answer_store.hpp"
#include "tests/common/engine/parking_engine.hpp"
#include "tests/common/llm/fake_llm.hpp"
#include "workers/call/handler.hpp"

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::call;

namespace {

constexpr auto domain = "shop.example";

/// Calls with a transcript, and a model that fails as no model should.
struct ParkedCalls {
  ParkedCalls() { engine.database.add_tenant(domain); }

  void park() {
    engine.park(CallTerminated{domain, "call-1", "+250788123456", {}, std::vector<Utterance>{{"user", "Hello."}}});
  }
  auto number(std::string const& query) { return engine.database.number(query); }

  CallSettings settings;
  llm::test::FakeLlm::Script script;
  engine::test::ParkingEngine<CallHandler> engine{
      "calls.terminated", [this] {
        return std::make_unique<CallHandler>(
            settings, std::make_unique<PostgresCalls>(),
            std::make_unique<assistant::Model>(settings, std::make_unique<llm::test::FakeLlm>(script),
                                               std::make_unique<assistant::PostgresAnswers>()));
      }};
};

constexpr auto planned =
    "SELECT count(*) FROM message_delivery_log WHERE direction = 'outbound' AND kind = 'call_summary'"
    " AND status = 'planned' AND content LIKE '%Thank you for your call.%'";

}  // namespace

TEST_CASE("a parked call has its session to be followed up, and general words planned over both channels, once") {
  ParkedCalls calls;
  calls.park();
  CHECK(calls.number("SELECT count(*) FROM omnichannel_sessions WHERE status = 'follow_up' AND call_id = 'call-1'") ==
        1);
  CHECK(calls.number(planned) == 2);
  calls.engine.redrive();
  CHECK(calls.number(planned) == 2);
  CHECK(calls.number("SELECT count(*) FROM message_delivery_log") == 2);
}

TEST_CASE("a call of a suspended tenant is parked and leaves nothing") {
  ParkedCalls calls;
  calls.engine.database.execute("UPDATE tenants SET status = 'suspended'");
  calls.park();
  CHECK(calls.number("SELECT count(*) FROM profiles") == 0);
  CHECK(calls.number("SELECT count(*) FROM message_delivery_log") == 0);
}
