#include "workers/gateway/replies/recent_replies.hpp"
#include "workers/gateway/replies/reply_feed.hpp"
#include "workers/gateway/replies/turn_filter.hpp"
#include "workers/gateway/replies/unseen_replies.hpp"
#include "workers/gateway/routes/stream_route.hpp"

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::gateway;
using namespace std::chrono_literals;

namespace {

RecentReplies::Clock::time_point const start{1h};

Uuid conversation(std::uint8_t number) {
  Uuid id;
  id.bytes[15] = number;
  return id;
}

Reply delta(Cursor at, std::string in_reply_to, std::int64_t index, std::uint8_t number = 1) {
  Reply reply;
  reply.at = at;
  reply.conversation_id = conversation(number);
  reply.in_reply_to = std::move(in_reply_to);
  reply.index = index;
  reply.frame = "frame " + to_string(at) + ";";
  return reply;
}

Reply end(Cursor at, std::string in_reply_to, std::uint8_t number = 1) {
  auto reply = delta(at, std::move(in_reply_to), 0, number);
  reply.kind = Reply::Kind::reply;
  return reply;
}

}  // namespace

TEST_CASE("a turn that is tried again tells each part once") {
  TurnFilter filter;
  CHECK(filter.admit(delta({0, 1}, "m1", 0)));
  CHECK(filter.admit(delta({0, 2}, "m1", 1)));
  CHECK_FALSE(filter.admit(delta({0, 3}, "m1", 0)));
  CHECK_FALSE(filter.admit(delta({0, 4}, "m1", 1)));
  CHECK(filter.admit(delta({0, 5}, "m1", 2)));
  CHECK(filter.admit(end({0, 6}, "m1")));
  CHECK_FALSE(filter.admit(end({0, 7}, "m1")));
  CHECK_FALSE(filter.admit(delta({0, 8}, "m1", 3)));
  CHECK(filter.admit(delta({0, 9}, "m2", 0)));
}

TEST_CASE("a stream that resumes notes the event it left at and tells what follows") {
  Teller teller(Cursor{0, 2});
  teller.tell(delta({0, 2}, "m1", 1));
  CHECK(teller.take().empty());
  teller.tell(delta({0, 3}, "m1", 1));
  CHECK(teller.take().empty());
  teller.tell(delta({0, 4}, "m1", 2));
  CHECK(teller.take() == "frame 0-4;");
}

TEST_CASE("what a client has is not told again by a gateway whose tail is behind") {
  Teller teller(Cursor{0, 2});
  teller.tell(delta({0, 1}, "m1", 0));
  teller.tell(delta({0, 2}, "m1", 1));
  CHECK(teller.take().empty());
  teller.tell(delta({0, 3}, "m1", 2));
  teller.tell(delta({1, 0}, "m2", 0));
  CHECK(teller.take() == "frame 0-3;frame 1-0;");
}

TEST_CASE("recent replies are found by where they stand and by when they came") {
  RecentReplies recent(1 << 20);
  recent.begin({0, 5});
  recent.begin({1, 0});
  recent.complete();
  recent.add(delta({0, 5}, "m1", 0), start);
  recent.add(delta({1, 0}, "x1", 0, 2), start + 1s);
  auto const third = recent.add(delta({0, 7}, "m1", 1), start + 2s);
  CHECK(recent.held_from(0) == 5);
  CHECK_FALSE(recent.held_from(9));
  CHECK(recent.next_offset(0) == 8);
  CHECK_FALSE(recent.next_offset(9));
  CHECK(recent.from(conversation(1), {0, 5}).size() == 2);
  CHECK(recent.from(conversation(1), {0, 6}).size() == 1);
  CHECK(recent.from(conversation(2), {0, 0}).empty());
  CHECK(recent.since(conversation(1), third->sequence).size() == 1);
  CHECK(recent.since(conversation(1), 0).size() == 2);
  CHECK(recent.sequence_at(start + 1500ms) == third->sequence);
  CHECK(recent.sequence_at(start + 3s) == recent.next_sequence());
}

TEST_CASE("what was on the topic before the tail is there to resume from, and no stream looks back to it") {
  RecentReplies recent(1 << 20);
  recent.begin({0, 3});
  recent.add(delta({0, 3}, "m1", 0), start);
  CHECK_FALSE(recent.is_complete());
  recent.complete();
  auto const live = recent.add(delta({0, 4}, "m1", 1), start);
  CHECK(recent.is_complete());
  CHECK(recent.from(conversation(1), {0, 3}).size() == 2);
  CHECK(recent.sequence_at(start - 1s) == live->sequence);
}

TEST_CASE("a conversation that moved to an added partition is resumed there") {
  RecentReplies recent(1 << 20);
  recent.begin({0, 0});
  recent.complete();
  recent.begin({1, 0});
  recent.add(delta({0, 0}, "m1", 0), start);
  recent.add(end({0, 1}, "m1"), start);
  recent.add(delta({1, 0}, "m2", 0), start);
  CHECK(recent.from(conversation(1), {0, 1}).size() == 2);
  CHECK(recent.from(conversation(1), {1, 0}).size() == 1);
}

TEST_CASE("the oldest replies go when there are too many bytes, and it is known from where on all are held") {
  auto const one = delta({0, 0}, "m1", 0).bytes();
  RecentReplies recent(3 * one + 3);
  recent.begin({0, 0});
  for (std::int64_t offset = 0; offset < 5; ++offset) recent.add(delta({0, offset}, "m1", offset), start);
  CHECK(recent.bytes() <= 3 * one + 3);
  CHECK(recent.held_from(0) == 2);
  CHECK(recent.from(conversation(1), {0, 0}).size() == 3);
  for (std::int64_t offset = 5; offset < 9; ++offset) recent.add(delta({0, offset}, "m2", offset, 2), start);
  CHECK(recent.from(conversation(1), {0, 0}).empty());
  CHECK(recent.since(conversation(1), 0).empty());
}

TEST_CASE("the feed wakes the streams of a conversation and no others") {
  ReplyFeed feed;
  int woken = 0;
  int others = 0;
  Subscription const other(feed, conversation(2), 1 << 20, [&] { ++others; });
  {
    Subscription one(feed, conversation(1), 1 << 20, [&] { ++woken; });
    Subscription two(feed, conversation(1), 1 << 20, [&] { ++woken; });
    CHECK(feed.streams() == 3);
    feed.deliver(std::make_shared<Reply const>(delta({0, 1}, "m1", 0)));
    CHECK(woken == 2);
    CHECK(one.take()->at == Cursor{0, 1});
    CHECK(one.take() == nullptr);
    CHECK_FALSE(two.empty());
  }
  CHECK(feed.streams() == 1);
  feed.deliver(std::make_shared<Reply const>(delta({0, 2}, "m1", 1)));
  CHECK(others == 0);
}

TEST_CASE("a reader that is too slow is cut off, not buffered for") {
  ReplyFeed feed;
  auto const reply = std::make_shared<Reply const>(delta({0, 1}, "m1", 0));
  Subscription slow(feed, conversation(1), 3 * reply->bytes(), [] {});
  for (int i = 0; i < 3; ++i) feed.deliver(reply);
  CHECK_FALSE(slow.overrun());
  feed.deliver(reply);
  CHECK(slow.overrun());
  int kept = 0;
  while (slow.take()) ++kept;
  CHECK(kept == 3);
}

TEST_CASE("a stream opened after a post begins with the replies nobody has seen") {
  UnseenReplies unseen(10, 60s);
  auto const id = conversation(1);
  CHECK_FALSE(unseen.find(id, start));
  unseen.posted(id, "shop.example", 7, start);
  unseen.posted(id, "shop.example", 9, start + 1s);
  CHECK(unseen.find(id, start + 1s)->sequence == 7);
  unseen.seen(id, 8);
  unseen.seen(id, 3);
  CHECK(unseen.find(id, start + 1s)->sequence == 8);
  CHECK(unseen.find(id, start + 60s));
  CHECK_FALSE(unseen.find(id, start + 61s));
}

TEST_CASE("posts that nobody came for are forgotten, the oldest first") {
  UnseenReplies unseen(2, 60s);
  unseen.posted(conversation(1), "shop.example", 1, start);
  unseen.posted(conversation(2), "shop.example", 1, start);
  unseen.posted(conversation(1), "shop.example", 2, start);
  unseen.posted(conversation(3), "shop.example", 1, start);
  CHECK(unseen.size() == 2);
  CHECK(unseen.find(conversation(1), start));
  CHECK_FALSE(unseen.find(conversation(2), start));
}
