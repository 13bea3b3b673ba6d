/// One conversation of a person across voice, WhatsApp and SMS: the table `omnichannel_sessions`, by its SQL functions.
#pragma once

#include "sessions/profile.hpp"
#include "uuid/uuid.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/describe/class.hpp>

namespace pqxx {
class transaction_base;
}

namespace omnibus::sessions {

struct Session {
  Uuid id{};
  Uuid profile_id{};
  std::string status;        ///< active, follow_up or closed
  std::string context;       ///< JSON object, shared by the channels
  std::int32_t version = 0;  ///< of the context
  std::optional<std::string> call_id;
  double age_s = 0;  ///< since it was opened
  /// Not stored: the person's earlier session had expired after so many seconds, and was closed for this one.
  std::optional<double> expired_age_s{};
};
BOOST_DESCRIBE_STRUCT(Session, (), (id, profile_id, status, context, version, call_id, age_s))

// Everything below works in the caller's transaction and throws what libpqxx throws.

/// The person's open session, extended by 24 hours, or a new one. @param status active, or follow_up after a call
Session get_or_create_session(pqxx::transaction_base& transaction, Uuid const& profile, Channel channel,
                              std::string_view status = "active", std::optional<std::string> const& call_id = {});

/// The person's open session, unchanged. Nothing when there is none, or it has expired.
std::optional<Session> get_active_session(pqxx::transaction_base& transaction, Uuid const& profile);

/// Nothing when the session is closed or deleted.
std::optional<Session> update_session_status(pqxx::transaction_base& transaction, Uuid const& session,
                                             std::string_view status);

/// Merges a JSON object into the context, member by member. With a version, only if the context still has it.
/// Nothing when it has not, when the session is closed, or when the context would grow beyond 16 KiB.
std::optional<Session> merge_session_context(pqxx::transaction_base& transaction, Uuid const& session,
                                             std::string_view patch, std::optional<std::int32_t> version = {});

/// Closes sessions that have expired, at most `limit` of them. @return for each the seconds from its beginning until it
/// expired. Sessions that another transaction is changing are left for the next call.
std::vector<double> close_expired_sessions(pqxx::transaction_base& transaction, std::int32_t limit);

}  // namespace omnibus::sessions
