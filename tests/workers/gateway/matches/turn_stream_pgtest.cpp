#include "tests/workers/gateway/matches/match_world.hpp"
#include "workers/gateway/matches/turn_notice.hpp"

#include <string>

using namespace omnibus;
using namespace omnibus::gateway;
using namespace omnibus::gateway::test;

namespace {

std::string_view constexpr running = "00000000-0000-4000-8000-000000000204";
std::string const path = "/v1/agent-conversations/" + std::string(talk) + "/events";
std::string const running_path = "/v1/agent-conversations/" + std::string(running) + "/events";

SharedReply notice(std::string_view conversation) {
  auto const data = R"({"domain":"shop.example","conversation_id":")" + std::string(conversation) +
                    R"(","turn_number":1,"speaker_role":"agent_a"})";
  auto reply = read_turn_notice({0, 1}, "omnibus.conversation.turn.completed.v1", data);
  REQUIRE(reply);
  return std::make_shared<Reply const>(*std::move(reply));
}

}  // namespace

TEST_CASE_FIXTURE(MatchWorld, "a stream shows each turn with its words and ends with the outcome") {
  auto const all = get("ann", path);
  CHECK(all.body.starts_with("retry: "));
  auto const first = all.body.find("id: 1\n"), second = all.body.find("id: 2\n"), last = all.body.find("id: end\n");
  CHECK(first < second);
  CHECK(second < last);
  CHECK(last != std::string::npos);
  CHECK(has(all, "event: turn\n"));
  CHECK(has(all, "words 2"));
  CHECK(has(all, "event: outcome\n"));
}

TEST_CASE_FIXTURE(MatchWorld, "a stream of a conversation that cannot be judged ends, and says why") {
  add_conversation(running, "completed");
  add_turn(1, running);
  RecordingClient client;
  client.on_piece = [&, pieces = 0]() mutable {
    if (++pieces != 2) return;  // the greeting, then the turn
    client.later([&] {
      execute("UPDATE omniscient_conversations SET error = 'model_output' WHERE id = '" + std::string(running) + "'");
      feed.deliver(notice(running));
    });
  };
  auto const streamed = serve(request("ann", "GET", running_path), client);
  CHECK(has(streamed, "words 1"));
  CHECK(has(streamed, "event: failed\n"));
  CHECK(has(streamed, R"("status":"completed")"));
  CHECK(has(streamed, R"("error":"model_output")"));
}

TEST_CASE_FIXTURE(MatchWorld, "a stream resumes after the last event, and after the end not at all") {
  auto again = request("ann", "GET", path);
  again.headers.add("Last-Event-ID", "1");
  auto const rest = serve(again);
  CHECK_FALSE(has(rest, "words 1"));
  CHECK(has(rest, "words 2"));
  CHECK(has(get("ann", path + "?last_event_id=2"), "event: outcome\n"));
  CHECK_FALSE(has(get("ann", path + "?last_event_id=2"), "event: turn\n"));
  CHECK(get("ann", path + "?last_event_id=end").status == 204);
  CHECK(get("ann", path + "?last_event_id=3-17").status == 400);
  CHECK(get("eve", path + "?last_event_id=end").status == 404);
}

TEST_CASE_FIXTURE(MatchWorld, "a turn is shown when it happens, once, and a failure ends the stream") {
  add_conversation(running, "active");
  add_turn(1, running);
  RecordingClient client;
  int pieces = 0;
  client.on_piece = [&] {
    if (++pieces != 2 && pieces != 3) return;  // the first piece is the greeting
    client.later([&] {
      if (pieces == 2)
        add_turn(2, running);
      else
        execute("UPDATE omniscient_conversations SET status = 'failed', stop_reason = 'model_failed' WHERE id = '" +
                std::string(running) + "'");
      feed.deliver(notice(running));
    });
  };
  auto const began = std::chrono::steady_clock::now();
  serve(request("operator", "GET", running_path), client);
  CHECK(std::chrono::steady_clock::now() - began < std::chrono::milliseconds{1900});  // woken, not looked for
  CHECK(pieces == 4);
  CHECK(client.streamed.find("words 1") < client.streamed.find("words 2"));
  CHECK(client.streamed.find("words 1") == client.streamed.rfind("words 1"));
  CHECK(client.streamed.find("event: failed\n") != std::string::npos);
  CHECK(client.streamed.find(R"(data: {"status":"failed","stop_reason":"model_failed"})") != std::string::npos);
  CHECK(feed.streams() == 0);
}

TEST_CASE_FIXTURE(MatchWorld, "a conversation that is erased while it is streamed ends as that") {
  add_conversation(running, "active");
  RecordingClient client;
  client.on_piece = [&] { execute("DELETE FROM omniscient_conversations WHERE id = '" + std::string(running) + "'"); };
  serve(request("ann", "GET", running_path), client);
  CHECK(client.streamed.find("\"stop_reason\":\"erased\"") != std::string::npos);
}

TEST_CASE_FIXTURE(MatchWorld, "a tenant has a limit of open streams") {
  auto const one = places.take("shop.example");
  auto const two = places.take("shop.example");
  CHECK(get("ann", path).status == 429);
}

TEST_CASE("only a completed turn wakes streams") {
  auto const data = R"({"domain":"shop.example","conversation_id":"00000000-0000-4000-8000-000000000204",)"
                    R"("turn_number":1,"speaker_role":"agent_a"})";
  CHECK(read_turn_notice({0, 1}, "omnibus.conversation.turn.completed.v1", data));
  CHECK_FALSE(read_turn_notice({0, 1}, "omnibus.conversation.turn.requested.v1", data));
  CHECK_FALSE(read_turn_notice({0, 1}, "omnibus.conversation.turn.completed.v1", "{}"));
}
