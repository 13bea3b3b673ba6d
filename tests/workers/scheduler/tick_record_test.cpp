#include "workers/scheduler/tick_record.hpp"

#include "events/tick.hpp"
#include "json/decode.hpp"
#include "time/time.hpp"

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::scheduler;

namespace {

std::string header(kafka::Record const& record, std::string_view name) {
  for (auto const& each : record.headers)
    if (each.name == name) return each.value.value_or("");
  return "none";
}

}  // namespace

TEST_CASE("a tick's id follows from its name and due time alone, and differs with each") {
  auto const due = parse_time_ms("2026-11-29T03:00:00Z").value();
  auto const id = tick_id("tick.qa", due);
  CHECK(to_string(id)[14] == '5');  // a UUID of version 5
  CHECK(id == tick_id("tick.qa", due));
  CHECK(id != tick_id("tick.qa", due + 1));
  CHECK(id != tick_id("tick.knowledge", due));
}

TEST_CASE("a tick is an event of its schedule's type, with the schedule's name as its key") {
  auto const due = parse_time_ms("2026-11-29T03:00:00Z").value();
  auto const record = tick_record("tick.sessions.cleanup", due, 3);
  CHECK(record.topic == "ops.ticks");
  CHECK(record.key == "tick.sessions.cleanup");
  CHECK(header(record, "ce_type") == TickSessionsCleanup::type);
  CHECK(header(record, "ce_id") == to_string(tick_id("tick.sessions.cleanup", due)));
  CHECK(header(record, "ce_source") == "/omnibus/scheduler");
  auto const tick = json::decode<TickSessionsCleanup>(record.value.value());
  REQUIRE(tick.has_value());
  CHECK(tick->due_at == "2026-11-29T03:00:00Z");
  CHECK(tick->missed == 3);
}
