#include "tests/workers/gdpr/gdpr_fakes.hpp"

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::gdpr;
using omnibus::gdpr::test::GdprFixture;

TEST_CASE_FIXTURE(GdprFixture, "a deletion waits for another request of the person, and no attempt is counted") {
  auto const request = deletion();
  stored.requests[request.request_id] = {request, "delete", "received", {}, to_string(random_uuid()), {}, {}};
  CHECK(context.hand(handler, request) == FakeContext::Kind::deferred);
  CHECK(!stored.begun);
  row(request).waits_for.reset();
  CHECK(context.try_again() == FakeContext::Kind::handled);
  CHECK(row(request).status == "completed");
}

TEST_CASE_FIXTURE(GdprFixture, "a request that cannot be finished ends as failed, and a redrive finishes it") {
  auto const request = deletion();
  context.fail_next_commit(Failure::permanent("no", "implausible"));
  CHECK(context.hand(handler, request) == FakeContext::Kind::parked);
  CHECK(row(request).status == "failed");
  CHECK(row(request).error == "implausible");
  CHECK(stored.audit.back().action == "erasure.failed");
  CHECK(context.redrive() == FakeContext::Kind::handled);
  CHECK(row(request).status == "completed");
}

TEST_CASE_FIXTURE(GdprFixture, "a request that two events ask for is done once") {
  auto const request = deletion();
  CHECK(context.hand(handler, request) == FakeContext::Kind::handled);
  auto const published = context.published<GdprAuditRecorded>().size();
  CHECK(context.hand(handler, request) == FakeContext::Kind::handled);
  CHECK(context.published<GdprAuditRecorded>().size() == published);
}

TEST_CASE_FIXTURE(GdprFixture, "a legal hold sets a deletion aside, and at its end it runs by itself") {
  auto const request = deletion();
  stored.messages = 10;
  stored.held_until = "2026-12-06T00:00:00Z";
  CHECK(context.hand(handler, request) == FakeContext::Kind::handled);
  CHECK(row(request).status == "held");
  CHECK(stored.messages == 10);
  CHECK(!stored.begun);
  TickMonitor const tick{{"2026-11-29T14:00:00Z", 0}};
  CHECK(context.hand(handler, tick) == FakeContext::Kind::handled);
  CHECK(context.published<GdprDeletionRequested>().empty());
  stored.held_until.reset();
  CHECK(context.hand(handler, tick) == FakeContext::Kind::handled);
  auto const asked = context.published<GdprDeletionRequested>();
  REQUIRE(asked.size() == 1);
  CHECK(asked[0].request_id == request.request_id);
  CHECK(context.hand(handler, asked[0]) == FakeContext::Kind::handled);
  CHECK(row(request).status == "completed");
  CHECK(stored.messages == 0);
}

TEST_CASE_FIXTURE(GdprFixture, "that the log is clear is said after the topics were asked where they begin, once") {
  TickMonitor const tick{{"2026-11-29T14:00:00Z", 0}};
  CHECK(context.hand(handler, tick) == FakeContext::Kind::handled);
  CHECK(stored.starts.empty());
  stored.uncleared = random_uuid();
  auto const request = *stored.uncleared;
  CHECK(context.hand(handler, tick) == FakeContext::Kind::handled);
  CHECK(stored.starts == R"({"chat.messages":{"0":7}})");
  REQUIRE(stored.audit.size() == 1);
  CHECK(stored.audit[0].action == "erasure.log-cleared");
  CHECK(stored.audit[0].request_id == request);
  CHECK(context.hand(handler, tick) == FakeContext::Kind::handled);
  CHECK(stored.audit.size() == 1);
}

TEST_CASE_FIXTURE(GdprFixture, "a request for a domain that is no tenant is parked, and no row is written") {
  auto request = deletion();
  request.domain = "nobody.example";
  CHECK(context.hand(handler, request) == FakeContext::Kind::parked);
  CHECK(context.parked()->error_class() == "unknown_tenant");
  CHECK(stored.requests.empty());
  CHECK(stored.audit.empty());
}

TEST_CASE_FIXTURE(GdprFixture, "a replay does nothing") {
  context.replay();
  CHECK(context.hand(handler, deletion()) == FakeContext::Kind::handled);
  CHECK(context.passed_over() != "");
  CHECK(stored.requests.empty());
}

TEST_CASE("a worker without the secret of subject keys does not start, and says which setting is missing") {
  CHECK_THROWS_WITH(check_settings({}), "set PROFILE_KEY_SECRET, at least 16 bytes, to that of the gateway");
  CHECK_THROWS(check_settings({Secret{"short"}, {}}));
  CHECK_THROWS(check_settings({Secret{"0123456789abcdef"}, Secret{"short"}}));
  CHECK_NOTHROW(check_settings({Secret{"0123456789abcdef"}, {}}));
}
