#include "sessions/session.hpp"

#include <pqxx/pqxx>

namespace omnibus::sessions {
namespace {

constexpr auto columns =
    "SELECT s.id, s.profile_id, s.status, s.context::text, s.version, s.call_id, extract(epoch FROM now() - "
    "s.created_at) FROM ";

std::optional<Session> one(pqxx::result const& rows) {
  if (rows.empty() || rows[0][0].is_null()) return std::nullopt;
  auto const row = rows[0];
  Session session;
  session.id = parse_uuid(row[0].view()).value();
  session.profile_id = parse_uuid(row[1].view()).value();
  session.status = row[2].as<std::string>();
  session.context = row[3].as<std::string>();
  session.version = row[4].as<std::int32_t>();
  session.call_id = row[5].as<std::optional<std::string>>();
  session.age_s = row[6].as<double>();
  return session;
}

}  // namespace

Session get_or_create_session(pqxx::transaction_base& transaction, Uuid const& profile, Channel channel,
                              std::string_view status, std::optional<std::string> const& call_id) {
  return one(transaction.exec(std::string{columns} + "get_or_create_omnichannel_session($1, $2, $3, $4) s",
                              pqxx::params{omnibus::to_string(profile), to_string(channel), status, call_id}))
      .value();
}

std::optional<Session> get_active_session(pqxx::transaction_base& transaction, Uuid const& profile) {
  return one(
      transaction.exec(std::string{columns} +
                           "omnichannel_sessions s WHERE profile_id = $1 AND status <> 'closed' AND expires_at > now()",
                       pqxx::params{omnibus::to_string(profile)}));
}

std::optional<Session> update_session_status(pqxx::transaction_base& transaction, Uuid const& session,
                                             std::string_view status) {
  return one(transaction.exec(std::string{columns} + "update_omnichannel_session_status($1, $2) s",
                              pqxx::params{omnibus::to_string(session), status}));
}

std::optional<Session> merge_session_context(pqxx::transaction_base& transaction, Uuid const& session,
                                             std::string_view patch, std::optional<std::int32_t> version) {
  return one(transaction.exec(std::string{columns} + "merge_omnichannel_session_context($1, $2::jsonb, $3) s",
                              pqxx::params{omnibus::to_string(session), patch, version}));
}

}  // namespace omnibus::sessions
