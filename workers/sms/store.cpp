#include "workers/sms/store.hpp"

#include "handler/classify.hpp"
#include "handler/failure.hpp"
#include "postgres/rows.hpp"
#include "sessions/notification.hpp"
#include "sessions/opt_out.hpp"

#include <algorithm>
#include <exception>

#include <boost/describe/class.hpp>
#include <pqxx/pqxx>

namespace omnibus::sms {
namespace {

// If a later event has changed the session in between, the message's turn uses the session as it is now. A keyword
// and its answer are written in one transaction, and so with the same time: the question is listed first.
constexpr auto conversation_query = R"(
  SELECT p.id AS profile_id, p.allows_sms AND p.sms_opt_out_at IS NULL AS allows_sms,
         p.whatsapp_opt_out_at IS NULL AS allows_whatsapp, s.id AS session_id, s.status, s.context::text, s.version,
         h.directions, h.contents
  FROM message_delivery_log m JOIN profiles p ON p.id = m.profile_id JOIN omnichannel_sessions s ON s.id = m.session_id
  CROSS JOIN LATERAL (
    SELECT COALESCE(array_agg(direction), '{}') AS directions, COALESCE(array_agg(content), '{}') AS contents
    FROM (SELECT direction, content
          FROM (SELECT direction, content, created_at, id,
                       sum((octet_length(content) + 3) / 4 + 4)
                         OVER (ORDER BY created_at DESC, direction DESC, id ROWS UNBOUNDED PRECEDING) AS cost
                FROM (SELECT direction, content, created_at, id FROM message_delivery_log l
                      WHERE l.session_id = s.id AND l.content IS NOT NULL AND l.status NOT IN ('skipped', 'failed')
                        AND l.created_at < m.created_at
                      ORDER BY created_at DESC, direction DESC, id LIMIT $2) AS newest) AS counted
          WHERE cost <= $3 ORDER BY created_at DESC, direction DESC, id) AS kept) AS h
  WHERE m.effect_key = $1)";

/// Its row.
struct DialogueRow {
  Uuid profile_id;
  bool allows_sms = false;
  bool allows_whatsapp = false;
  Uuid session_id;
  std::string status, context;
  std::int32_t version = 0;
  std::vector<std::string> directions, contents;  ///< of the history, newest first
};
BOOST_DESCRIBE_STRUCT(DialogueRow, (),
                      (profile_id, allows_sms, allows_whatsapp, session_id, status, context, version, directions,
                       contents))

std::int64_t count_replies(pqxx::transaction_base& transaction, Uuid const& profile) {
  return transaction.query_value<std::int64_t>(
      "SELECT count(*) FROM message_delivery_log WHERE profile_id = $1 AND direction = 'outbound'"
      " AND kind <> 'call_summary' AND created_at > now() - interval '1 hour'",
      pqxx::params{to_string(profile)});
}

}  // namespace

Dialogue PostgresDialogues::receive(UnitOfWork& unit, Uuid const& event_key, Inbound const& said) {
  auto& transaction = unit.transaction();
  Dialogue conversation;
  conversation.profile = sessions::find_or_create_profile(transaction, said.domain, said.sender);
  auto const& profile = conversation.profile.id;
  if (said.channel == sessions::Channel::whatsapp)
    sessions::note_whatsapp_inbound(transaction, profile, said.received_ms, said.sender.wa_id);
  else if (said.channel == sessions::Channel::sms)
    sessions::note_sms_inbound(transaction, profile);
  conversation.session = sessions::get_or_create_session(transaction, profile, said.channel);
  transaction.exec(
      "SELECT log_message_delivery($1, $2, $3, $4, 'inbound', $5, 'received', $6, $7, $8,"
      " p_source_event_id => $1)",
      pqxx::params{to_string(event_key), to_string(profile), to_string(conversation.session.id),
                   sessions::to_string(said.channel), said.kind, said.text, said.provider, said.provider_message_id});
  return conversation;
}

std::optional<Dialogue> PostgresDialogues::receive_if_known(UnitOfWork& unit, Uuid const& event_key,
                                                            Inbound const& said) {
  auto& transaction = unit.transaction();
  if (!sessions::is_known(transaction, said.domain, said.sender)) return std::nullopt;
  auto const session_deleted = transaction.query_value<bool>(
      "SELECT EXISTS (SELECT FROM message_delivery_log WHERE effect_key = $1 AND session_id IS NULL)",
      pqxx::params{to_string(event_key)});
  if (session_deleted) return std::nullopt;
  return receive(unit, event_key, said);
}

Dialogue PostgresDialogues::read_over(pqxx::connection& connection, Uuid const& event_key, std::int32_t history,
                                      std::int64_t history_tokens) {
  pqxx::nontransaction query{connection};
  auto const row = postgres::read_optional<DialogueRow>(query, conversation_query,
                                                        pqxx::params{to_string(event_key), history, history_tokens});
  // Deleted while the answer was made.
  if (!row) throw Failure::permanent("the message's person or session is gone", "deleted_session");
  Dialogue conversation;
  conversation.profile.id = row->profile_id;
  conversation.profile.allows_sms = row->allows_sms;
  conversation.profile.allows_whatsapp = row->allows_whatsapp;
  conversation.session.id = row->session_id;
  conversation.session.profile_id = row->profile_id;
  conversation.session.status = row->status;
  conversation.session.context = row->context;
  conversation.session.version = row->version;
  for (auto i = std::min(row->directions.size(), row->contents.size()); i-- > 0;)
    conversation.history.push_back({row->directions[i] == "outbound", row->contents[i]});
  conversation.recent_replies = count_replies(query, conversation.profile.id);
  return conversation;
}

Task<Dialogue> PostgresDialogues::read(Context& context, std::int32_t history, std::int64_t history_tokens) {
  auto reading = context.read([key = context.event_key(), history, history_tokens](pqxx::connection& connection) {
    return read_over(connection, key, history, history_tokens);
  });
  co_return co_await std::move(reading);
}

std::int64_t PostgresDialogues::count_recent_replies(UnitOfWork& unit, Uuid const& profile) {
  return count_replies(unit.transaction(), profile);
}

void PostgresDialogues::opt_out(UnitOfWork& unit, sessions::Profile const& profile, Inbound const& said) {
  suppress(unit, said);
  sessions::opt_out(unit.transaction(), profile, said.channel);
}

void PostgresDialogues::opt_in(UnitOfWork& unit, sessions::Profile const& profile, Inbound const& said) {
  sessions::lift_suppression(unit.transaction(), said.domain, said.channel, said.subject_keys);
  sessions::opt_in(unit.transaction(), profile, said.channel);
}

void PostgresDialogues::suppress(UnitOfWork& unit, Inbound const& said) {
  sessions::suppress(unit.transaction(), said.domain, said.channel, said.subject_keys);
}

bool PostgresDialogues::attempt(UnitOfWork& unit, std::function<void()> const& work) {
  auto& transaction = unit.transaction();
  transaction.exec("SAVEPOINT attempt");
  try {
    work();
  } catch (...) {
    auto const failure = classify(std::current_exception());
    if (!failure || failure->kind() != Failure::Kind::permanent) throw;
    transaction.exec("ROLLBACK TO SAVEPOINT attempt");
    return false;
  }
  transaction.exec("RELEASE SAVEPOINT attempt");
  return true;
}

void PostgresDialogues::request_notification(UnitOfWork& unit, NotificationRequested const& request) {
  sessions::request_notification(unit, request);
}

std::vector<double> PostgresDialogues::close_expired(UnitOfWork& unit, std::int32_t limit) {
  return sessions::close_expired_sessions(unit.transaction(), limit);
}

Kept PostgresDialogues::keep(UnitOfWork& unit, Dialogue const& dialogue, sessions::Channel channel,
                             tools::MessagingTools const& tools) {
  auto& transaction = unit.transaction();
  Kept kept;
  kept.session = dialogue.session;
  if (tools.patches().empty() && !tools.status()) return kept;
  // Locks the person, as every function that closes a session does: it stays open until the end of this transaction.
  kept.session = sessions::get_or_create_session(transaction, dialogue.profile.id, channel);
  // Member by member, into the current context: another channel's additions stay.
  for (auto const& patch : tools.patches()) {
    if (auto merged = sessions::merge_session_context(transaction, kept.session.id, patch)) {
      kept.session = *std::move(merged);
    } else {
      kept.complete = false;
    }
  }
  if (!tools.status()) return kept;
  if (auto updated = sessions::update_session_status(transaction, kept.session.id, *tools.status()))
    kept.session = *std::move(updated);
  kept.closed = kept.session.status == "closed";
  return kept;
}

}  // namespace omnibus::sms
