#include "engine/dispatch/outage_gate.hpp"

#include <doctest/doctest.h>

using namespace std::chrono_literals;
using omnibus::engine::OutageGate;

namespace {

constexpr OutageGate::Clock::time_point start{1h};

}  // namespace

TEST_CASE("an open gate lets everything through") {
  OutageGate gate{100ms, 1s};
  CHECK(gate.open());
  CHECK(gate.admit(start));
  CHECK(gate.admit(start));
  CHECK_FALSE(gate.probe_at().has_value());
  CHECK_FALSE(gate.passed());
}

TEST_CASE("an outage closes the gate until a probe is due") {
  OutageGate gate{100ms, 1s};
  gate.outage(start);
  CHECK_FALSE(gate.open());
  CHECK(gate.probe_at() == start + 100ms);
  CHECK_FALSE(gate.admit(start));
  CHECK_FALSE(gate.admit(start + 100ms - 1ns));
  CHECK(gate.admit(start + 100ms));
}

TEST_CASE("only one probe goes at a time") {
  OutageGate gate{100ms, 1s};
  gate.outage(start);
  CHECK(gate.admit(start + 100ms));
  CHECK_FALSE(gate.admit(start + 100ms));
  CHECK_FALSE(gate.admit(start + 1h));
  CHECK_FALSE(gate.probe_at().has_value());
}

TEST_CASE("a probe that passes opens the gate for all") {
  OutageGate gate{100ms, 1s};
  gate.outage(start);
  CHECK(gate.admit(start + 100ms));
  CHECK(gate.passed());
  CHECK(gate.open());
  CHECK(gate.admit(start + 100ms));
  CHECK(gate.admit(start + 100ms));
  CHECK_FALSE(gate.passed());
}

TEST_CASE("work that was under way when the gate closed opens it as well when it passes") {
  OutageGate gate{100ms, 1s};
  gate.outage(start);
  CHECK(gate.passed());
  CHECK(gate.admit(start));
}

TEST_CASE("several outages at once count as one") {
  OutageGate gate{100ms, 1s};
  gate.outage(start);
  gate.outage(start + 50ms);
  gate.outage(start + 90ms);
  CHECK(gate.probe_at() == start + 100ms);
}

TEST_CASE("each failed probe doubles the delay up to the longest") {
  OutageGate gate{100ms, 350ms};
  auto now = start;
  gate.outage(now);
  for (auto const delay : {100ms, 200ms, 350ms, 350ms}) {
    REQUIRE(gate.probe_at() == now + delay);
    now += delay;
    REQUIRE(gate.admit(now));
    gate.outage(now);
  }
}

TEST_CASE("the next outage starts with the first delay again") {
  OutageGate gate{100ms, 1s};
  gate.outage(start);
  CHECK(gate.admit(start + 100ms));
  gate.outage(start + 100ms);
  CHECK(gate.admit(start + 300ms));
  CHECK(gate.passed());
  gate.outage(start + 1h);
  CHECK(gate.probe_at() == start + 1h + 100ms);
}
