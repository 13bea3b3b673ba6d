/// What the SMS worker keeps.
#pragma once

#include "events/notification.hpp"
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
  std::int64_t recent_replies = 0;   ///< as count_recent_replies() has them, once it was read
};

/// What became of a turn's wishes for its session.
struct Kept {
  sessions::Session session;  ///< another one than the turn began with, when that was closed meanwhile
  bool complete = true;       ///< false: the context is full, and a fact is not in it
  bool closed = false;
};

/// People and their dialogues as the SMS worker reads and writes them. Belongs to the event loop; what takes a unit of
/// work is called on a thread of the pool.
class DialogueStore {
 public:
  virtual ~DialogueStore() = default;

  /// Knows the person, opens the session and writes the message down; once for the event, however often it is tried.
  /// @throws Failure (permanent) for an unknown or inactive tenant.
  virtual Dialogue receive(UnitOfWork& unit, Uuid const& event_key, Inbound const& said) = 0;

  /// The same for a message that is given up, but only if the person is known and the message's session was not
  /// deleted: it does not bring back a person who was deleted after the message had been received.
  virtual std::optional<Dialogue> receive_if_known(UnitOfWork& unit, Uuid const& event_key, Inbound const& said) = 0;

  /// The dialogue as it stands now, for an event whose message was received. At most `history` of the newest messages
  /// that the person has or may still get.
  /// @throws Failure (permanent) when the person or the session is gone.
  virtual Task<Dialogue> read(Context& context, std::int32_t history) = 0;

  /// How many messages of this worker the person got, or is to get, within the last hour.
  virtual std::int64_t count_recent_replies(UnitOfWork& unit, Uuid const& profile) = 0;

  /// The person wants nothing more over the channel, or again. As sessions::opt_out() and opt_in().
  virtual void opt_out(UnitOfWork& unit, sessions::Profile const& profile, sessions::Channel channel) = 0;
  virtual void opt_in(UnitOfWork& unit, sessions::Profile const& profile, sessions::Channel channel) = 0;

  /// Carries out what the model's tools wished for the session: context, then status. A session that another channel
  /// has closed meanwhile is followed by a new one: what a person was told is kept, is kept.
  virtual Kept keep(UnitOfWork& unit, Dialogue const& dialogue, sessions::Channel channel,
                    tools::MessagingTools const& tools) = 0;

  /// As sessions::request_notification().
  virtual void request_notification(UnitOfWork& unit, NotificationRequested const& request) = 0;
};

/// The same in PostgreSQL: all the SQL of the SMS worker.
class PostgresDialogues final : public DialogueStore {
 public:
  Dialogue receive(UnitOfWork& unit, Uuid const& event_key, Inbound const& said) override;
  std::optional<Dialogue> receive_if_known(UnitOfWork& unit, Uuid const& event_key, Inbound const& said) override;
  Task<Dialogue> read(Context& context, std::int32_t history) override;
  std::int64_t count_recent_replies(UnitOfWork& unit, Uuid const& profile) override;
  void opt_out(UnitOfWork& unit, sessions::Profile const& profile, sessions::Channel channel) override;
  void opt_in(UnitOfWork& unit, sessions::Profile const& profile, sessions::Channel channel) override;
  Kept keep(UnitOfWork& unit, Dialogue const& dialogue, sessions::Channel channel,
            tools::MessagingTools const& tools) override;
  void request_notification(UnitOfWork& unit, NotificationRequested const& request) override;

  /// What read() reads, over a connection.
  static Dialogue read_over(pqxx::connection& connection, Uuid const& event_key, std::int32_t history);
};

}  // namespace omnibus::sms
