// The fake does with a handler what the engine does.
#include "handler/fake_context.hpp"

#include "events/chat.hpp"
#include "handler/classify.hpp"

#include <doctest/doctest.h>

using namespace omnibus;
using Kind = FakeContext::Kind;
using namespace std::chrono_literals;

namespace {

/// Counts messages, and fails as it is told.
struct Counting {
  Task<> handle(Context& context, ChatMessageReceived const& message) {
    if (failure) throw *failure;
    auto paying = context.checkpoint("paid", [this](UnitOfWork&) { ++paid; });
    co_await std::move(paying);
    auto committing = context.commit([&](UnitOfWork& unit) {
      ++counted;
      unit.publish(ChatReplyGenerated{context.event_key(), std::string{context.event().id}, message.text}, "key");
    });
    co_await std::move(committing);
  }
  void gave_up(Context& context, ChatMessageReceived const&, Failure const& why, UnitOfWork& unit) {
    if (hook_failure) throw *hook_failure;
    ++given_up;
    unit.publish(ChatReplyFailed{context.event_key(), std::string{context.event().id}, why.error_class()}, "key");
  }

  std::optional<Failure> failure;
  std::optional<Failure> hook_failure;
  int paid = 0;
  int counted = 0;
  int given_up = 0;
};

/// Never waits.
struct Immediate {
  void handle(Context&, ChatMessageReceived const&) { ++handled; }
  int handled = 0;
};

ChatMessageReceived const message{"shop.example", "s1", "Hello", {}};

}  // namespace

TEST_CASE("an event takes effect once, however often it comes") {
  FakeContext context;
  Counting handler;
  CHECK(context.hand(handler, message) == Kind::handled);
  CHECK(context.come_again() == Kind::handled);
  CHECK(handler.counted == 1);
  CHECK(handler.paid == 1);
  CHECK(context.commits() == 2);
  REQUIRE(context.published<ChatReplyGenerated>().size() == 1);
  CHECK(context.published<ChatReplyGenerated>()[0].text == "Hello");
  CHECK(context.last_published_key() == "key");
  CHECK(context.hand(handler, message) == Kind::handled);  // another event with the same data
  CHECK(handler.counted == 2);
}

TEST_CASE("a commit that fails leaves nothing, and the checkpoint before it stays") {
  FakeContext context;
  Counting handler;
  context.keep_consistent(handler.paid);
  context.keep_consistent(handler.counted);
  context.fail_next_commit(Failure::outage("away"));
  CHECK(context.hand(handler, message) == Kind::outage);
  CHECK(handler.paid == 1);
  CHECK(handler.counted == 0);
  CHECK(context.published_types().empty());
  CHECK(context.try_again() == Kind::handled);
  CHECK(handler.paid == 1);
  CHECK(handler.counted == 1);
}

TEST_CASE("a transient failure waits, is counted, and parks the event after the last attempt") {
  FakeContext context{"worker", 3};
  Counting handler;
  handler.failure = Failure::transient("busy", 2s);
  auto const waiting = context.hand(handler, message);
  CHECK(waiting == Kind::waits);
  CHECK(waiting.retry_after == 2s);
  CHECK(context.attempt() == 2);
  CHECK(context.try_again(2s) == Kind::waits);
  CHECK(context.failing_for() == 2s);
  CHECK(context.try_again(2s) == Kind::parked);
  REQUIRE(context.parked());
  CHECK(context.parked()->error_class() == "transient");
  CHECK(handler.given_up == 1);
  CHECK(context.published<ChatReplyFailed>().size() == 1);
  CHECK(context.come_again() == Kind::waits);
  CHECK(context.try_until_over() == Kind::parked);  // it is in the inbox: nothing is written a second time
  CHECK(handler.given_up == 1);
}

TEST_CASE("what is no fault of the event's counts no attempt") {
  FakeContext context{"worker", 2};
  Counting handler;
  for (auto const& [failure, kind] :
       {std::pair{Failure::deferred("later"), Kind::deferred}, std::pair{Failure::outage("away"), Kind::outage}}) {
    handler.failure = failure;
    for (int i = 0; i < 5; ++i) CHECK((i == 0 ? context.hand(handler, message) : context.try_again()) == kind);
    CHECK(context.attempt() == 1);
    CHECK(context.deferred() == (kind == Kind::deferred));
  }
  handler.failure.reset();
  CHECK(context.try_until_over() == Kind::handled);
}

TEST_CASE("a permanent failure parks at once, and so does an exception of no known kind") {
  FakeContext context;
  Counting handler;
  handler.failure = Failure::permanent("no such tenant", "unknown_tenant");
  auto const parked = context.hand(handler, message);
  CHECK(parked == Kind::parked);
  CHECK(parked.error_class == "unknown_tenant");
  context.fail_next_commit(std::runtime_error{"a text that may quote the event"});
  handler.failure.reset();
  CHECK(context.hand(handler, message).error_class == "exception");
}

TEST_CASE("an event that an operator sends again after it was parked is handled as if it were new") {
  FakeContext context;
  Counting handler;
  handler.failure = Failure::permanent("no such tenant", "unknown_tenant");
  REQUIRE(context.hand(handler, message) == Kind::parked);
  CHECK(context.redrive() == Kind::parked);
  CHECK(handler.given_up == 2);
  handler.failure.reset();
  CHECK(context.redrive() == Kind::handled);
  CHECK(handler.counted == 1);
}

TEST_CASE("an event is parked without what its hook may not write, and not while the database is away") {
  FakeContext context;
  Counting handler;
  handler.failure = Failure::permanent("no such tenant", "unknown_tenant");
  handler.hook_failure = Failure::outage("away");
  CHECK(context.hand(handler, message) == Kind::outage);
  CHECK_FALSE(context.parked());
  handler.hook_failure = Failure::permanent("refused", "database");
  CHECK(context.try_again() == Kind::parked);
  CHECK(context.parked()->error_class() == "unknown_tenant");
  CHECK(context.published_types().empty());
}

TEST_CASE("an event that is not valid is parked before the handler sees it, and without its hook") {
  FakeContext context;
  Counting handler;
  auto const parked = context.hand(handler, ChatMessageReceived{"no domain", "s1", "Hello", {}});
  CHECK(parked == Kind::parked);
  CHECK(parked.error_class == "invalid_event");
  CHECK(handler.given_up == 0);
}

TEST_CASE("a fenced worker's event is another's") {
  FakeContext context;
  Counting handler;
  context.fail_next_commit(Fenced{});
  CHECK(context.hand(handler, message) == Kind::fenced);
  CHECK_FALSE(context.parked());
}

TEST_CASE("a replay publishes nothing") {
  FakeContext context;
  Counting handler;
  context.replay();
  CHECK(context.hand(handler, message) == Kind::handled);
  CHECK(handler.counted == 1);
  CHECK(context.published_types().empty());
  handler.failure = Failure::permanent("no such tenant", "unknown_tenant");
  CHECK(context.hand(handler, message) == Kind::failed);
  CHECK(handler.given_up == 0);
}

TEST_CASE("a replay handles again what was handled before it") {
  FakeContext context;
  Counting handler;
  REQUIRE(context.hand(handler, message) == Kind::handled);
  context.replay();
  CHECK(context.come_again() == Kind::handled);
  CHECK(handler.counted == 2);
}

TEST_CASE("a mistake of the test in what a handler adds is thrown") {
  struct Mistaken {
    static Task<> handle(Context&, ChatMessageReceived const&) {
      throw Failure::permanent("refused");
      co_return;
    }
    static void gave_up(Context&, ChatMessageReceived const&, Failure const&, UnitOfWork& unit) { unit.transaction(); }
  } handler;
  FakeContext context;
  CHECK_THROWS_AS(context.hand(handler, message), std::logic_error);
}

TEST_CASE("a handler that never waits needs no coroutine, and SQL needs a store") {
  FakeContext context;
  Immediate handler;
  CHECK(context.hand(handler, message) == Kind::handled);
  CHECK(handler.handled == 1);
  struct Reading {
    static Task<> handle(Context& with, ChatMessageReceived const&) {
      auto committing = with.commit([](UnitOfWork& unit) { unit.transaction(); });
      co_await std::move(committing);
    }
  } reading;
  CHECK_THROWS_AS(context.hand(reading, message), std::logic_error);
}
