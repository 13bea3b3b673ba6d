#include "workers/chat/store.hpp"

#include "assistant/recorded_answer.hpp"
#include "events/conversation.hpp"
#include "handler/failure.hpp"
#include "json/decode.hpp"
#include "postgres/rows.hpp"

#include <algorithm>

#include <boost/describe/class.hpp>
#include <boost/describe/members.hpp>
#include <boost/mp11/algorithm.hpp>
#include <pqxx/pqxx>

namespace omnibus::chat {
namespace {

// One statement, so that the read costs one round trip: the tenant, the conversation by id and by session, the newest
// history, the recorded answer, and whether the turn is done.
constexpr auto open_query = R"(
  SELECT (SELECT status FROM tenants WHERE domain = $1) AS tenant_status,
         chat_is_allowed($1, COALESCE(c.id, $3)) AS allowed, c.id, c.domain, c.session_id, c.status, c.owner_id IS NOT NULL AS with_person, c.takeover_epoch,
         (SELECT response::text FROM pipeline.llm_responses WHERE request_key = $4) AS recorded_answer,
         EXISTS (SELECT FROM messages WHERE source_event_id = $4) AS already_handled,
         ARRAY(SELECT role FROM messages WHERE conversation_id = c.id AND content IS NOT NULL
               AND role IN ('user', 'assistant', 'agent') ORDER BY seq DESC LIMIT $5) AS roles,
         ARRAY(SELECT content FROM messages WHERE conversation_id = c.id AND content IS NOT NULL
               AND role IN ('user', 'assistant', 'agent') ORDER BY seq DESC LIMIT $5) AS contents
  FROM (SELECT) AS one
  LEFT JOIN conversations c ON c.id = $3 OR (c.domain = $1 AND c.session_id = $2)
  ORDER BY c.id = $3)";

/// Its row. Without a conversation its columns are NULL.
struct OpenRow {
  std::optional<std::string> tenant_status;
  bool allowed = false;
  std::optional<Uuid> id;
  std::optional<std::string> domain, session_id, status;
  bool with_person = false;
  std::optional<std::int32_t> takeover_epoch;
  std::optional<std::string> recorded_answer;
  bool already_handled = false;
  std::vector<std::string> roles, contents;  ///< of the history, newest first
};
BOOST_DESCRIBE_STRUCT(OpenRow, (),
                      (tenant_status, allowed, id, domain, session_id, status, with_person, takeover_epoch,
                       recorded_answer, already_handled, roles, contents))

// The visitor is known by the conversation. Each word is newer than the one before, whatever the clock does.
constexpr auto record_consent_query = R"(
  WITH visitor AS (
    SELECT replace(COALESCE((SELECT id FROM conversations WHERE domain = $1 AND session_id = $2), $3::uuid)::text, '-', '') AS key
  )
  INSERT INTO consents (domain, subject_key, purpose, granted, text_version, source, event_id, created_at)
  SELECT $1, v.key, p.purpose, p.granted, $4, $5, $6,
         greatest(clock_timestamp(), (SELECT max(c.created_at) + interval '1 microsecond' FROM consents c
                                      WHERE c.domain = $1 AND c.subject_key = v.key AND c.purpose = p.purpose))
  FROM visitor v, unnest($7::text[], $8::boolean[]) AS p (purpose, granted)
  ON CONFLICT (event_id, purpose) DO NOTHING
  RETURNING subject_key)";

/// A conversation as a turn reads it.
struct TurnRow {
  std::int32_t takeover_epoch = 0;
  bool with_person = false;
};
BOOST_DESCRIBE_STRUCT(TurnRow, (), (takeover_epoch, with_person))

}  // namespace

Task<Conversation> PostgresConversations::open(Context& context, ChatMessageReceived const& message,
                                               std::int32_t history) {
  auto const derived = conversation_id_of(message.domain, message.session_id);
  auto const wanted = message.conversation_id.value_or(derived);
  auto const key = context.event_key();
  auto reading = context.read([&](pqxx::connection& connection) {
    pqxx::nontransaction query{connection};
    return postgres::read<OpenRow>(
        query, open_query,
        pqxx::params{message.domain, message.session_id, to_string(wanted), to_string(key), history});
  });
  auto const rows = co_await std::move(reading);
  auto const& row = rows.at(0);
  if (!row.tenant_status) throw Failure::permanent("domain is no tenant", "unknown_tenant");
  if (row.tenant_status != "active") throw Failure::permanent("the tenant is not active", "inactive_tenant");

  Conversation conversation;
  conversation.id = wanted;
  conversation.already_handled = row.already_handled;
  conversation.allowed = row.allowed;
  if (row.recorded_answer) {
    if (auto const recorded = json::decode<assistant::RecordedAnswer>(*row.recorded_answer))
      conversation.recorded_answer = recorded->text;
  }
  if (!row.id) co_return conversation;  // its first message
  if (rows.size() > 1) throw Failure::permanent("session_id belongs to another conversation", "wrong_conversation");
  if (row.domain != message.domain || row.session_id != message.session_id)
    throw Failure::permanent("conversation_id belongs to another session", "wrong_conversation");
  if (message.conversation_id && row.id != wanted)
    throw Failure::permanent("session_id belongs to another conversation", "wrong_conversation");
  conversation.id = *row.id;
  conversation.resolved = row.status == "resolved";
  conversation.with_person = row.with_person;
  conversation.takeover_epoch = row.takeover_epoch.value();
  for (auto i = std::min(row.roles.size(), row.contents.size()); i-- > 0;)
    conversation.history.push_back({row.roles[i], row.contents[i]});
  co_return conversation;
}

bool PostgresConversations::was_deleted(UnitOfWork& unit, Conversation const& conversation, Uuid const& event_key) {
  return unit.transaction().query_value<bool>("SELECT EXISTS (SELECT FROM pipeline.forgotten WHERE id IN ($1, $2))",
                                              pqxx::params{to_string(event_key), to_string(conversation.id)});
}

// A turn depends only on its event and on the recorded answer, ids and times included: when a replay stores it again,
// it is the same as before.
bool PostgresConversations::append_message(UnitOfWork& unit, Conversation const& before,
                                           ChatMessageReceived const& message, Uuid const& event_key,
                                           std::int64_t received_ms) {
  auto& transaction = unit.transaction();
  // The update locks the row: turns, take-overs and closings of one conversation are one after the other.
  auto const now =
      postgres::read_one<TurnRow>(transaction, R"(
      INSERT INTO conversations AS c (id, domain, session_id, created_at, last_message_at)
      SELECT $1, $2, $3, received, received
      FROM greatest(least(to_timestamp($4::float8 / 1000), clock_timestamp()), now() - interval '30 days') AS received
      ON CONFLICT (id) DO UPDATE
      SET last_message_at = greatest(c.last_message_at, excluded.last_message_at), updated_at = now()
      RETURNING takeover_epoch, owner_id IS NOT NULL AS with_person)",
                                  pqxx::params{to_string(before.id), message.domain, message.session_id, received_ms});
  // Stored already if a replay came first.
  transaction.exec(R"(
      INSERT INTO messages (id, conversation_id, seq, role, content, source_event_id, created_at)
      SELECT $3, $1, coalesce(max(seq), 0) + 1, 'user', $2, $3,
             greatest(least(to_timestamp($4::float8 / 1000), clock_timestamp()), now() - interval '30 days')
      FROM messages WHERE conversation_id = $1
      ON CONFLICT (source_event_id) DO NOTHING)",
                   pqxx::params{to_string(before.id), message.text, to_string(event_key), received_ms});
  return now.takeover_epoch == before.takeover_epoch && !now.with_person;
}

void PostgresConversations::append_answer(UnitOfWork& unit, Conversation const& conversation, Uuid const& event_key,
                                          std::string_view text) {
  unit.transaction().exec(
      R"(
      INSERT INTO messages (id, conversation_id, seq, role, content, in_reply_to, created_at)
      SELECT $4, $1, m.seq + 1, 'assistant', $2, m.id,
             coalesce((SELECT created_at FROM pipeline.llm_responses WHERE request_key = $3), clock_timestamp())
      FROM messages m WHERE m.source_event_id = $3
      ON CONFLICT (id) DO NOTHING)",
      pqxx::params{to_string(conversation.id), text, to_string(event_key), to_string(name_uuid(event_key, "answer"))});
}

void PostgresConversations::record_consent(UnitOfWork& unit, ChatConsentRecorded const& consent,
                                           Uuid const& event_key) {
  auto& transaction = unit.transaction();
  if (transaction.exec("SELECT FROM tenants WHERE domain = $1", pqxx::params{consent.domain}).empty())
    throw Failure::permanent("domain is no tenant", "unknown_tenant");
  std::vector<std::string> purposes;
  std::vector<bool> granted;
  boost::mp11::mp_for_each<boost::describe::describe_members<ConsentPurposes, boost::describe::mod_public>>(
      [&](auto member) {
        auto const& word = consent.purposes.*member.pointer;
        if (!word) return;
        purposes.emplace_back(member.name);
        granted.push_back(*word);
      });
  auto const recorded = postgres::read<std::string>(
      transaction, record_consent_query,
      pqxx::params{consent.domain, consent.session_id,
                   to_string(conversation_id_of(consent.domain, consent.session_id)), consent.text_version,
                   consent.source, to_string(event_key), purposes, granted});
  if (!consent.recorded_by || recorded.empty()) return;
  transaction.exec(
      "INSERT INTO gdpr_audit_log (id, domain, actor, action, subject_key, status, payload)"
      " SELECT $1, $2, $3, 'consent.recorded', $4, 'completed',"
      "        jsonb_build_object('purposes', jsonb_object_agg(p.purpose, p.granted))"
      " FROM unnest($5::text[], $6::boolean[]) AS p (purpose, granted) ON CONFLICT DO NOTHING",
      pqxx::params{to_string(event_key), consent.domain, to_string(*consent.recorded_by), recorded.front(), purposes,
                   granted});
}

}  // namespace omnibus::chat
