#include "sessions/session.hpp"

#include "postgres/rows.hpp"

#include <pqxx/pqxx>

namespace omnibus::sessions {
namespace {

/// The session `s` from a FROM clause. A function that finds none returns a row of NULLs.
std::optional<Session> read_session(pqxx::transaction_base& transaction, std::string_view from,
                                    pqxx::params const& parameters) {
  std::string query =
      "SELECT s.id, s.profile_id, s.status, s.context::text, s.version, s.call_id,"
      " extract(epoch FROM now() - s.created_at) AS age_s FROM ";
  query += from;
  query += " WHERE s.id IS NOT NULL";
  return postgres::read_optional<Session>(transaction, query, parameters);
}

}  // namespace

Session get_or_create_session(pqxx::transaction_base& transaction, Uuid const& profile, Channel channel,
                              std::string_view status, std::optional<std::string> const& call_id) {
  auto session = read_session(transaction, "get_or_create_omnichannel_session($1, $2, $3, $4) s",
                              pqxx::params{omnibus::to_string(profile), to_string(channel), status, call_id})
                     .value();
  if (session.age_s == 0)  // made in this transaction, which has also closed an expired one
    session.expired_age_s = postgres::read_optional<double>(
        transaction,
        "SELECT extract(epoch FROM expires_at - created_at)::double precision FROM omnichannel_sessions"
        " WHERE profile_id = $1 AND closed_at = now() AND expires_at <= now()",
        pqxx::params{omnibus::to_string(profile)});
  return session;
}

std::optional<Session> get_active_session(pqxx::transaction_base& transaction, Uuid const& profile) {
  return read_session(transaction,
                      "(SELECT * FROM omnichannel_sessions WHERE profile_id = $1 AND status <> 'closed'"
                      " AND expires_at > now()) s",
                      pqxx::params{omnibus::to_string(profile)});
}

std::optional<Session> update_session_status(pqxx::transaction_base& transaction, Uuid const& session,
                                             std::string_view status) {
  return read_session(transaction, "update_omnichannel_session_status($1, $2) s",
                      pqxx::params{omnibus::to_string(session), status});
}

std::optional<Session> merge_session_context(pqxx::transaction_base& transaction, Uuid const& session,
                                             std::string_view patch, std::optional<std::int32_t> version) {
  return read_session(transaction, "merge_omnichannel_session_context($1, $2::jsonb, $3) s",
                      pqxx::params{omnibus::to_string(session), patch, version});
}

std::vector<double> close_expired_sessions(pqxx::transaction_base& transaction, std::int32_t limit) {
  std::vector<double> ages;
  for (auto const& [age] :
       transaction.query<double>("SELECT close_expired_omnichannel_sessions($1)", pqxx::params{limit}))
    ages.push_back(age);
  return ages;
}

}  // namespace omnibus::sessions
