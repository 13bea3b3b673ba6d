#include "workers/gateway/replies/reply.hpp"

#include "events/chat.hpp"
#include "json/encode.hpp"

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::gateway;

namespace {
Uuid const conversation = *parse_uuid("6f6d6e69-6275-5000-8000-000000000001");
}

TEST_CASE("a cursor reads back as it was written, and nothing else is a cursor") {
  Cursor const cursor{11, 1234567890123};
  CHECK(to_string(cursor) == "11-1234567890123");
  CHECK(parse_cursor("11-1234567890123") == cursor);
  CHECK(parse_cursor("0-0") == Cursor{0, 0});
  for (auto const* text : {"", "-", "1", "1-", "-1", "1--2", "+1-2", "1-+2", "01-2", "1-02", " 1-2", "1-2 ", "a-b",
                           "99999999999-1", "1-99999999999999999999"})
    CHECK_FALSE(parse_cursor(text));
}

TEST_CASE("a delta becomes a server-sent event with its text") {
  auto const reply =
      read_reply({3, 7}, ChatReplyDelta::type, json::encode(ChatReplyDelta{conversation, "m1", 2, "a \"b\"\nc"}));
  REQUIRE(reply);
  CHECK(reply->conversation_id == conversation);
  CHECK(reply->index == 2);
  CHECK_FALSE(reply->ends_turn());
  CHECK(reply->frame.find("event: delta\n") != std::string::npos);
  CHECK(reply->frame.find("id: 3-7\n") != std::string::npos);
  CHECK(reply->frame.find(R"(data: {"in_reply_to":"m1","index":2,"text":"a \"b\"\nc"})") != std::string::npos);
  CHECK(reply->frame.ends_with("\n\n"));
}

TEST_CASE("a reply, and a fallback that says so, both end the turn") {
  auto const generated =
      read_reply({0, 1}, ChatReplyGenerated::type, json::encode(ChatReplyGenerated{conversation, "m1", "hello"}));
  REQUIRE(generated);
  CHECK(generated->ends_turn());
  CHECK(generated->frame.find("event: reply\n") != std::string::npos);
  CHECK(generated->frame.find("fallback") == std::string::npos);
  auto const fallback = read_reply({0, 2}, ChatReplyFallback::type,
                                   json::encode(ChatReplyFallback{conversation, "m1", "sorry", "breaker open"}));
  REQUIRE(fallback);
  CHECK(fallback->frame.find("event: reply\n") != std::string::npos);
  CHECK(fallback->frame.find(R"("fallback":true)") != std::string::npos);
}

TEST_CASE("what ends a turn without an answer is told, too") {
  auto const failed =
      read_reply({0, 1}, ChatReplyFailed::type, json::encode(ChatReplyFailed{conversation, "m1", "refused"}));
  REQUIRE(failed);
  CHECK(failed->kind == Reply::Kind::failed);
  auto const suppressed = read_reply({0, 1}, ChatReplySuppressed::type,
                                     json::encode(ChatReplySuppressed{conversation, "m1", "taken over"}));
  REQUIRE(suppressed);
  CHECK(suppressed->kind == Reply::Kind::suppressed);
}

TEST_CASE("what is not an event of a reply is passed over") {
  CHECK_FALSE(read_reply({0, 1}, "omnibus.chat.message.received.v1", "{}"));
  CHECK_FALSE(read_reply({0, 1}, ChatReplyDelta::type, "{}"));
  CHECK_FALSE(read_reply({0, 1}, ChatReplyDelta::type, "not json"));
  CHECK_FALSE(read_reply({0, 1}, ChatReplyGenerated::type, ""));
}
