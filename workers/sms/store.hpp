/// All the SQL of the SMS worker.
#pragma once

#include "handler/context.hpp"
#include "sessions/session.hpp"
#include "tools/messaging_tools.hpp"
#include "workers/sms/inbound.hpp"
#include "workers/sms/prompt.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace omnibus::sms {

/// Whom a message is from, and what it goes on with.
struct Dialogue {
  sessions::Profile profile;
  sessions::Session session;
  std::vector<SessionLine> history;  ///< oldest first, without the message itself
  std::int64_t recent_replies = 0;   ///< as count_recent_replies() has them
};

/// Knows the person, opens the session and writes the message down; once for the event, however often it is tried.
/// @throws Failure (permanent) for an unknown tenant, or a sender who is two people.
Dialogue receive(UnitOfWork& unit, Uuid const& event_key, Inbound const& said);

/// The same as it stands now, for an event whose message was received. At most `history` of the newest messages that
/// the person has or may still get.
/// @throws Failure (permanent) when the person or the session is gone.
Dialogue read_conversation(pqxx::connection& connection, Uuid const& event_key, std::int32_t history);
Task<Dialogue> read_conversation(Context& context, std::int32_t history);

/// How many messages of this worker the person got, or is to get, within the last hour.
std::int64_t count_recent_replies(pqxx::transaction_base& transaction, Uuid const& profile);

/// What became of a turn's wishes for its session.
struct Kept {
  sessions::Session session;  ///< another one than the turn began with, when that was closed meanwhile
  bool complete = true;       ///< false: the context is full, and a fact is not in it
  bool closed = false;
};

/// Carries out what the model's tools wished for the session: context, then status. A session that another channel has
/// closed meanwhile is followed by a new one: what a person was told is kept, is kept.
Kept keep(UnitOfWork& unit, Dialogue const& conversation, sessions::Channel channel,
          tools::MessagingTools const& tools);

}  // namespace omnibus::sms
