/// The events of a conversation's stream.
#pragma once

#include "uuid/uuid.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace omnibus::gateway {

/// The position of an event in `chat.replies`: the same for every gateway, so a stream resumes by it.
struct Cursor {
  std::int32_t partition = 0;
  std::int64_t offset = 0;

  bool operator==(Cursor const&) const = default;
};
/// `<partition>-<offset>`, the form of a stream's `id:` lines.
std::string to_string(Cursor const& cursor);
/// Nothing unless it is exactly what to_string writes.
std::optional<Cursor> parse_cursor(std::string_view text);

/// One event of a reply, ready to be streamed.
struct Reply {
  enum class Kind : std::uint8_t { delta, reply, failed, suppressed };

  Cursor at;
  Uuid conversation_id;
  Kind kind = Kind::delta;
  std::string in_reply_to;
  std::int64_t index = 0;      ///< of a delta, from 0 within one reply
  std::string frame;           ///< the server-sent event, `id:` line and final blank line included
  std::uint64_t sequence = 0;  ///< of its arrival at this gateway

  bool ends_turn() const { return kind != Kind::delta; }
  /// Its size in a buffer.
  std::size_t bytes() const { return sizeof(Reply) + in_reply_to.size() + frame.size(); }
};
using SharedReply = std::shared_ptr<Reply const>;

/// Reads an event of `chat.replies` and writes its frame: `delta`, `reply` (also of the fallback text, which has
/// `"fallback":true` and the reason), `failed` or `suppressed`. Nothing when the type is none of these or the data is
/// invalid by its schema.
/// @param type the event's type, as `omnibus.chat.reply.delta.v1`
std::optional<Reply> read_reply(Cursor at, std::string_view type, std::string_view data);

}  // namespace omnibus::gateway
