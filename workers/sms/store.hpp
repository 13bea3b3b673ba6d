/// The data of the SMS worker.
#pragma once

#include "events/notification.hpp"
#include "handler/context.hpp"
#include "sessions/session.hpp"
#include "tools/messaging_tools.hpp"
#include "workers/sms/inbound.hpp"
#include "workers/sms/prompt.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace omnibus::sms {

/// A message's sender and session.
struct Dialogue {
  sessions::Profile profile;
  sessions::Session session;
  std::vector<SessionLine> history;  ///< oldest first, without the message itself
  std::int64_t recent_replies = 0;   ///< the value of count_recent_replies(), once it was read
};

/// The result of applying a turn's changes to its session.
struct Kept {
  sessions::Session session;  ///< a new session if the turn's session was closed in between
  bool complete = true;       ///< false: the context is full, and a fact is not in it
  bool closed = false;
};

/// Reads and writes people and their dialogues for the SMS worker. Use it on the event loop; functions with a unit of
/// work run on a thread of the pool.
class DialogueStore {
 public:
  virtual ~DialogueStore() = default;

  /// Finds or creates the person, opens the session and stores the message; once per event, for any number of attempts.
  /// @throws Failure (permanent) for an unknown or inactive tenant.
  virtual Dialogue receive(UnitOfWork& unit, Uuid const& event_key, Inbound const& said) = 0;

  /// The same for a message that is given up, but only if the person is known and the message's session was not
  /// deleted: it does not restore a person who was deleted after the message was received.
  virtual std::optional<Dialogue> receive_if_known(UnitOfWork& unit, Uuid const& event_key, Inbound const& said) = 0;

  /// The current dialogue, for an event whose message was received. At most `history` of the newest messages
  /// that the person has or may still get, and of these the newest whose estimated tokens are within `history_tokens`.
  /// @throws Failure (permanent) when the person or the session was deleted.
  virtual Task<Dialogue> read(Context& context, std::int32_t history, std::int64_t history_tokens) = 0;

  /// The number of this worker's messages, sent or planned, to the person within the last hour.
  virtual std::int64_t count_recent_replies(UnitOfWork& unit, Uuid const& profile) = 0;

  /// The sender opts out of the message's channel, or in again. As sessions::opt_out() and opt_in(); and by the
  /// sender's subject keys, so that it outlives the profile.
  virtual void opt_out(UnitOfWork& unit, sessions::Profile const& profile, Inbound const& said) = 0;
  virtual void opt_in(UnitOfWork& unit, sessions::Profile const& profile, Inbound const& said) = 0;

  /// Keeps an opt-out of a sender who may have no profile. As sessions::suppress().
  virtual void suppress(UnitOfWork& unit, Inbound const& said) = 0;

  /// Runs `work`, which may write to the unit's transaction and publishes nothing. If the database or a permanent
  /// Failure refuses a part of it, none of it is done, and the rest of the unit stands.
  /// @return whether it was done. @throws what is transient.
  virtual bool attempt(UnitOfWork& unit, std::function<void()> const& work) = 0;

  /// Applies the changes from the model's tools to the session: context, then status. If another channel
  /// has closed the session in between, a new one follows, so that facts confirmed to a person are not lost.
  virtual Kept keep(UnitOfWork& unit, Dialogue const& dialogue, sessions::Channel channel,
                    tools::MessagingTools const& tools) = 0;

  /// As sessions::request_notification().
  virtual void request_notification(UnitOfWork& unit, NotificationRequested const& request) = 0;

  /// As sessions::close_expired_sessions().
  virtual std::vector<double> close_expired(UnitOfWork& unit, std::int32_t limit) = 0;
};

/// The same in PostgreSQL: all SQL of the SMS worker.
class PostgresDialogues final : public DialogueStore {
 public:
  Dialogue receive(UnitOfWork& unit, Uuid const& event_key, Inbound const& said) override;
  std::optional<Dialogue> receive_if_known(UnitOfWork& unit, Uuid const& event_key, Inbound const& said) override;
  Task<Dialogue> read(Context& context, std::int32_t history, std::int64_t history_tokens) override;
  std::int64_t count_recent_replies(UnitOfWork& unit, Uuid const& profile) override;
  void opt_out(UnitOfWork& unit, sessions::Profile const& profile, Inbound const& said) override;
  void opt_in(UnitOfWork& unit, sessions::Profile const& profile, Inbound const& said) override;
  void suppress(UnitOfWork& unit, Inbound const& said) override;
  bool attempt(UnitOfWork& unit, std::function<void()> const& work) override;
  Kept keep(UnitOfWork& unit, Dialogue const& dialogue, sessions::Channel channel,
            tools::MessagingTools const& tools) override;
  void request_notification(UnitOfWork& unit, NotificationRequested const& request) override;
  std::vector<double> close_expired(UnitOfWork& unit, std::int32_t limit) override;

  /// The rows of read(), over a connection.
  static Dialogue read_over(pqxx::connection& connection, Uuid const& event_key, std::int32_t history,
                            std::int64_t history_tokens);
};

}  // namespace omnibus::sms
