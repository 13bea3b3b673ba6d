// Conversations of agents in a replay.
#include "tests/workers/conversation/talk.hpp"

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::conversation;
using namespace omnibus::conversation::test;
using Kind = FakeContext::Kind;

TEST_CASE("a replay over what is stored changes nothing, asks nothing and publishes nothing") {
  Talk talk{false};
  REQUIRE(talk.begin() == Kind::handled);
  talk.say("Hello there.");
  REQUIRE(talk.turn(1) == Kind::handled);
  auto const published = talk.context.published_types().size();
  talk.context.replay();
  talk.around.age = std::chrono::hours{24};
  talk.around.may_go_on = false;
  talk.around.tenant_active = false;
  CHECK(talk.context.come_again() == Kind::handled);
  CHECK(talk.said().size() == 1);
  CHECK(talk.row().status == "active");
  CHECK(talk.model.asked() == 1);
  CHECK(talk.context.published_types().size() == published);
}

TEST_CASE("a replay stores a lost turn again from its recorded answer") {
  Talk talk;
  talk.say("Hello there.");
  REQUIRE(talk.turn(1) == Kind::handled);
  talk.row() = {};
  talk.context.replay();
  talk.around.may_go_on = false;
  CHECK(talk.context.come_again() == Kind::handled);
  CHECK(talk.said() == std::vector<std::string>{"Hello there."});
  CHECK(talk.model.asked() == 1);
}

TEST_CASE("a replay leaves out what it has no answer to, and what was erased") {
  Talk talk;
  talk.context.replay();
  CHECK(talk.turn(1) == Kind::handled);
  CHECK(talk.context.passed_over() == "no recorded answer");
  CHECK(talk.row().status == "active");
  talk.stored.rows.clear();
  talk.stored.erased.insert(talk.conversation);
  CHECK(talk.turn(1) == Kind::handled);
  CHECK_FALSE(talk.context.passed_over().empty());
  CHECK(talk.begin() == Kind::handled);
  CHECK(talk.context.passed_over() == "deleted");
  CHECK(talk.stored.rows.empty());
  CHECK(talk.model.asked() == 0);
}

TEST_CASE("a replay begins what had begun, and nothing else") {
  Talk talk{false};
  REQUIRE(talk.begin() == Kind::handled);
  talk.stored.rows.clear();
  talk.context.replay();
  talk.around.match_open = false;
  CHECK(talk.context.come_again() == Kind::handled);
  CHECK(talk.row().status == "active");
  talk.stored.rows.clear();
  CHECK(talk.begin() == Kind::handled);  // an event that was parked
  CHECK(talk.context.passed_over() == "it had not begun");
  CHECK(talk.stored.rows.empty());
}
