#include "workers/call/store.hpp"

#include "json/encode.hpp"
#include "json/raw.hpp"
#include "postgres/rows.hpp"
#include "sessions/notification.hpp"
#include "sessions/profile.hpp"
#include "subjects/subjects.hpp"

#include <boost/describe/class.hpp>
#include <pqxx/pqxx>

namespace omnibus::call {
namespace {

constexpr std::size_t max_kept = 4 * 1024;  // of a context's 16 KiB

/// A call in the session's context.
struct CallContext {
  std::string call_id;
  json::Raw call_summary;  ///< null without one: an earlier call's summary does not apply
};
BOOST_DESCRIBE_STRUCT(CallContext, (), (call_id, call_summary))

}  // namespace

Task<std::optional<std::string>> PostgresCalls::find_summary(Context& context, CallTerminated const& call) {
  auto reading = context.read([&](pqxx::connection& connection) {
    pqxx::nontransaction query{connection};
    return postgres::read_optional<std::string>(query,
                                                "SELECT summary FROM call_summaries WHERE domain = $1 AND call_id = $2",
                                                pqxx::params{call.domain, call.call_id});
  });
  co_return co_await std::move(reading);
}

sessions::Session PostgresCalls::open_follow_up(UnitOfWork& unit, CallTerminated const& call,
                                                std::string_view record_key, std::optional<std::string> const& told) {
  auto& transaction = unit.transaction();
  CallContext kept{call.call_id, {}};
  if (told) json::append_string(kept.call_summary.text, fit_bytes(*told, max_kept));
  sessions::PersonIdentity person{call.phone_number};
  if (parse_subject_key(record_key)) person.subject_key = record_key;
  auto const profile = sessions::find_or_create_profile(transaction, call.domain, person);
  auto session =
      sessions::get_or_create_session(transaction, profile.id, sessions::Channel::voice, "follow_up", call.call_id);
  auto const merged = sessions::merge_session_context(transaction, session.id, json::encode(kept));
  // A full context stays unchanged: the person still gets the summary.
  auto result = merged.value_or(session);
  result.expired_age_s = session.expired_age_s;
  return result;
}

void PostgresCalls::request_notification(UnitOfWork& unit, NotificationRequested const& request) {
  sessions::request_notification(unit, request);
}

}  // namespace omnibus::call
