#include "kafka/admin.hpp"
#include "tests/workers/gdpr/gdpr_fakes.hpp"
#include "workers/gateway/webhooks/inbound_event.hpp"
#include "workers/gdpr/erasure/key_maker.hpp"
#include "workers/gdpr/erasure/log_clearing.hpp"

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::gdpr;
using omnibus::gdpr::test::GdprFixture;

TEST_CASE_FIXTURE(GdprFixture, "an erasure empties tables in batches, drops letters, and ends with positions") {
  auto const request = deletion();
  stored.messages = 2300;
  stored.open_letters = 2;
  stored.outbox = {1, 2, 3};
  CHECK(context.hand(handler, request) == FakeContext::Kind::handled);
  CHECK(row(request).status == "completed");
  CHECK(row(request).log_clear_ms == 42);
  CHECK(row(request).counts ==
        std::map<std::string, std::int64_t>{{"messages", 2300}, {"dead_letters", 2}, {"pipeline.outbox", 3}});
  CHECK(stored.positions == R"({"chat.messages":{"0":7}})");
  CHECK(stored.actions() == std::vector<std::string>{"erasure.received", "erasure.begun", "erasure.identities",
                                                     "erasure.rows", "erasure.outbox", "erasure.letters",
                                                     "erasure.completed"});
  CHECK(context.published<GdprAuditRecorded>().size() == 7);
  CHECK(context.last_published_key() == "shop.example");
}

TEST_CASE_FIXTURE(GdprFixture, "an erasure does not end while records about the person are being published") {
  auto const request = deletion();
  stored.outbox = {1};
  stored.being_published = true;
  CHECK(context.hand(handler, request) == FakeContext::Kind::deferred);
  CHECK(!stored.positions);
  stored.outbox.clear();
  stored.being_published = false;
  CHECK(context.try_again() == FakeContext::Kind::handled);
  CHECK(row(request).status == "completed");
  CHECK(stored.audit.size() == 7);
}

TEST_CASE_FIXTURE(GdprFixture,
                  "an erasure whose commit fails goes on, counts each row once and audits each step once") {
  auto const request = deletion();
  stored.messages = 1500;
  context.fail_next_commit(Failure::transient("the connection broke"));
  CHECK(context.hand(handler, request) == FakeContext::Kind::waits);
  CHECK(row(request).status == "running");
  CHECK(context.try_again() == FakeContext::Kind::handled);
  CHECK(row(request).counts.at("messages") == 1500);
  CHECK(stored.audit.size() == 7);
}

TEST_CASE_FIXTURE(GdprFixture, "a dry run counts and changes nothing") {
  auto const request = deletion(true);
  stored.messages = 10;
  CHECK(context.hand(handler, request) == FakeContext::Kind::handled);
  CHECK(row(request).status == "completed");
  CHECK(row(request).counts == std::map<std::string, std::int64_t>{{"conversations", 1}, {"identities", 1}});
  CHECK(stored.messages == 10);
  CHECK(!stored.begun);
}

TEST_CASE("a person's keys are those that the gateway gives records and receipts") {
  KeyMaker const maker{"0123456789abcdef", "fedcba9876543210"};
  gateway::InboundRules rules{"shop.example", "RW", "0123456789abcdef"};
  auto const keys = maker.sender("shop.example", "+250788123456");
  REQUIRE(keys.size() == 2);
  CHECK(keys[0] == gateway::profile_key(rules, "+250788123456"));
  rules.key_secret = "fedcba9876543210";
  CHECK(keys[1] == gateway::profile_key(rules, "+250788123456"));
  CHECK(maker.session("shop.example", "s-1")[1] == gateway::profile_key(rules, "session:s-1"));
  auto const id = random_uuid();
  CHECK(maker.user("shop.example", id)[1] == gateway::profile_key(rules, "user:" + to_string(id)));
  CHECK(receipt_alias("mtn", "m-1") == alias_text(*parse_uuid(gateway::receipt_key("mtn", "m-1"))));
}

TEST_CASE("every spelling of a number that the gateway accepts is the same person") {
  KeyMaker const maker{"0123456789abcdef", {}};
  gateway::InboundRules const rules{"shop.example", "RW", "0123456789abcdef"};
  auto const key = maker.sender("shop.example", "+250788123456")[0];
  for (auto const* spelling : {"0788 123 456", "00250 788-123-456", "250788123456", "+250 788 123 456"})
    CHECK(gateway::profile_key(rules, gateway::read_phone_number(rules, "phone_number", spelling).e164()) == key);
  CHECK(gateway::read_phone_number(rules, "n", "+55 11 8765-4321").e164() ==
        gateway::read_phone_number(rules, "n", "+55 11 98765-4321").e164());
  CHECK_THROWS(gateway::read_phone_number(rules, "phone_number", "Anna's number"));
}

TEST_CASE("a topic is clear when the segment of its newest record is deleted") {
  constexpr std::int64_t now = 1'763'640'000'000;
  constexpr std::int64_t day = 86'400'000;
  constexpr std::int64_t check = 300'000;
  kafka::TopicSpec spec;
  spec.configs = {{"retention.ms", "604800000"}};
  kafka::TopicState state{"chat.messages", 12, 3, std::nullopt};
  CHECK(clear_at_ms(state, spec, now) == now + 14 * day + check);  // Kafka closes a quiet segment after a week
  spec.configs["segment.ms"] = "86400000";
  CHECK(clear_at_ms(state, spec, now) == now + 8 * day + check);
  CHECK(clear_at_ms(state, spec, now + 365 * day) == now + 373 * day + check);  // a record from next year
  state.configs = std::map<std::string, kafka::ConfigState>{{"retention.ms", {"1209600000", true}},
                                                            {"segment.ms", {"3600000", true}}};
  CHECK(clear_at_ms(state, spec, now) == now + 14 * day + 3'600'000 + check);
  for (auto const* const unlimited : {"-1", "9223372036854775807"}) {
    CAPTURE(unlimited);
    state.configs->at("retention.ms").value = unlimited;
    CHECK(clear_at_ms(state, spec, now) == std::numeric_limits<std::int64_t>::max());
  }
}
