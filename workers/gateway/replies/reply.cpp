#include "workers/gateway/replies/reply.hpp"

#include "events/chat.hpp"
#include "http/sse.hpp"
#include "json/decode.hpp"
#include "json/encode.hpp"

#include <charconv>
#include <utility>

#include <boost/describe/class.hpp>

namespace omnibus::gateway {
namespace {

struct DeltaData {
  std::string in_reply_to;
  std::int64_t index = 0;
  std::string text;
};
BOOST_DESCRIBE_STRUCT(DeltaData, (), (in_reply_to, index, text))

struct ReplyData {
  std::string in_reply_to;
  std::string text;
  std::optional<bool> fallback;
  std::optional<std::string> reason;
};
BOOST_DESCRIBE_STRUCT(ReplyData, (), (in_reply_to, text, fallback, reason))

struct EndData {
  std::string in_reply_to;
  std::string reason;
};
BOOST_DESCRIBE_STRUCT(EndData, (), (in_reply_to, reason))

template <class T>
bool read_number(std::string_view text, T& number) {
  // One form only: no sign, no leading zero.
  if (text.empty() || (text.size() > 1 && text.front() == '0') || text.front() == '-') return false;
  auto const end = text.data() + text.size();
  auto const [last, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && last == end;
}

template <class Event>
Reply begin_reply(Cursor at, Reply::Kind kind, Event const& event) {
  Reply reply;
  reply.at = at;
  reply.kind = kind;
  reply.conversation_id = event.conversation_id;
  reply.in_reply_to = event.in_reply_to;
  return reply;
}

template <class Data>
void write_frame(Reply& reply, std::string_view event, Data const& data) {
  http::append_sse_event(reply.frame, event, json::encode(data), to_string(reply.at));
}

}  // namespace

std::string to_string(Cursor const& cursor) {
  return std::to_string(cursor.partition) + "-" + std::to_string(cursor.offset);
}

std::optional<Cursor> parse_cursor(std::string_view text) {
  auto const dash = text.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  Cursor cursor;
  if (!read_number(text.substr(0, dash), cursor.partition)) return std::nullopt;
  if (!read_number(text.substr(dash + 1), cursor.offset)) return std::nullopt;
  return cursor;
}

std::optional<Reply> read_reply(Cursor at, std::string_view type, std::string_view data) {
  if (type == ChatReplyDelta::type) {
    auto const event = json::decode<ChatReplyDelta>(data);
    if (!event) return std::nullopt;
    auto reply = begin_reply(at, Reply::Kind::delta, *event);
    reply.index = event->index;
    write_frame(reply, "delta", DeltaData{event->in_reply_to, event->index, event->text});
    return reply;
  }
  if (type == ChatReplyGenerated::type) {
    auto const event = json::decode<ChatReplyGenerated>(data);
    if (!event) return std::nullopt;
    auto reply = begin_reply(at, Reply::Kind::reply, *event);
    write_frame(reply, "reply", ReplyData{event->in_reply_to, event->text, {}, {}});
    return reply;
  }
  if (type == ChatReplyFallback::type) {
    auto const event = json::decode<ChatReplyFallback>(data);
    if (!event) return std::nullopt;
    auto reply = begin_reply(at, Reply::Kind::reply, *event);
    write_frame(reply, "reply", ReplyData{event->in_reply_to, event->text, true, event->reason});
    return reply;
  }
  if (type == ChatReplyFailed::type) {
    auto const event = json::decode<ChatReplyFailed>(data);
    if (!event) return std::nullopt;
    auto reply = begin_reply(at, Reply::Kind::failed, *event);
    write_frame(reply, "failed", EndData{event->in_reply_to, event->reason});
    return reply;
  }
  if (type == ChatReplySuppressed::type) {
    auto const event = json::decode<ChatReplySuppressed>(data);
    if (!event) return std::nullopt;
    auto reply = begin_reply(at, Reply::Kind::suppressed, *event);
    write_frame(reply, "suppressed", EndData{event->in_reply_to, event->reason});
    return reply;
  }
  return std::nullopt;
}

}  // namespace omnibus::gateway
