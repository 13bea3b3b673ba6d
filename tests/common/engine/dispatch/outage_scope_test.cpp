#include "engine/dispatch/outage_scope.hpp"

#include <doctest/doctest.h>

using omnibus::engine::OutageScope;
using namespace std::chrono_literals;

TEST_CASE("an event's own success says nothing about the others") {
  OutageScope scope;
  auto const begun = OutageScope::Clock::time_point{1h};
  CHECK_FALSE(scope.others_succeeded_since(1, begun));
  scope.succeeded(1, begun + 1s);
  CHECK_FALSE(scope.others_succeeded_since(1, begun));
  CHECK(scope.others_succeeded_since(2, begun));
  scope.succeeded(2, begun + 2s);
  CHECK(scope.others_succeeded_since(1, begun + 2s));
  CHECK_FALSE(scope.others_succeeded_since(1, begun + 3s));
  scope.succeeded(1, begun + 4s);
  CHECK(scope.others_succeeded_since(1, begun + 2s));
  CHECK_FALSE(scope.others_succeeded_since(1, begun + 3s));
}

TEST_CASE("a database is slow when most transactions of several events time out, and not when one event's do") {
  OutageScope scope;
  CHECK_FALSE(scope.is_slow());
  for (int i = 0; i < 100; ++i) scope.timed_out(7);
  CHECK_FALSE(scope.is_slow());
  scope.timed_out(8);
  CHECK_FALSE(scope.is_slow());
  scope.timed_out(9);
  CHECK(scope.is_slow());
  for (int i = 0; i < 15; ++i) scope.succeeded(10, {});
  CHECK(scope.is_slow());
  for (int i = 0; i < 2; ++i) scope.succeeded(11, {});
  CHECK_FALSE(scope.is_slow());
}

TEST_CASE("few transactions say nothing") {
  OutageScope scope;
  for (auto const event : {1U, 2U, 3U}) scope.timed_out(event);
  CHECK_FALSE(scope.is_slow());
  scope.timed_out(4);
  CHECK(scope.is_slow());
}
