#include "workers/chat/store.hpp"

#include "assistant/recorded_answer.hpp"
#include "events/conversation.hpp"
#include "handler/failure.hpp"
#include "json/decode.hpp"
#include "json/encode.hpp"
#include "postgres/column.hpp"
#include "postgres/prepared.hpp"
#include "postgres/rows.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

#include <boost/describe/class.hpp>
#include <boost/describe/enum_to_string.hpp>
#include <boost/describe/members.hpp>
#include <boost/mp11/algorithm.hpp>
#include <pqxx/pqxx>

namespace omnibus::chat {
namespace {

// Of many turns: each row's subqueries read by a key, whatever the tables hold, so that one plan serves all.
constexpr postgres::Prepared open_turns{"open_turns", R"(
  SELECT t.status AS tenant_status,
         t.settings #> '{privacy_preferences,consent_required}' IS NULL
           OR chat_is_allowed(a.domain, COALESCE(c.id, s.id, a.wanted)) AS allowed,
         c.id IS NOT NULL AND s.id IS NOT NULL AS is_two,
         COALESCE(c.id, s.id) AS id, COALESCE(c.domain, s.domain) AS domain,
         COALESCE(c.session_id, s.session_id) AS session_id, COALESCE(c.status, s.status) AS status,
         COALESCE(c.with_person, s.with_person, false) AS with_person,
         COALESCE(c.takeover_epoch, s.takeover_epoch, 0) AS takeover_epoch,
         r.response AS recorded_answer, r.outcome,
         (SELECT m.id FROM messages m WHERE m.id = a.event_key) IS NOT NULL AS already_handled,
         h.roles, h.contents
  FROM unnest($1::text[], $2::text[], $3::uuid[], $4::uuid[], $5::bigint[]) WITH ORDINALITY
    AS a (domain, session_id, wanted, event_key, history_tokens, ordinal)
  LEFT JOIN LATERAL (SELECT status, settings FROM tenants WHERE domain = a.domain LIMIT 1) AS t ON true
  LEFT JOIN LATERAL (
    SELECT id, domain, session_id, status, owner_id IS NOT NULL AS with_person, takeover_epoch FROM conversations
    WHERE id = a.wanted LIMIT 1) AS c ON true
  LEFT JOIN LATERAL (
    SELECT id, domain, session_id, status, owner_id IS NOT NULL AS with_person, takeover_epoch FROM conversations
    WHERE domain = a.domain AND session_id = a.session_id AND id <> a.wanted LIMIT 1) AS s ON true
  LEFT JOIN LATERAL (
    SELECT response::text, outcome FROM pipeline.llm_responses WHERE request_key = a.event_key LIMIT 1) AS r ON true
  LEFT JOIN LATERAL (
    SELECT COALESCE(array_agg(role), '{}') AS roles, COALESCE(array_agg(content), '{}') AS contents
    FROM (SELECT role, content
          FROM (SELECT role, content, seq,
                       sum((octet_length(content) + 3) / 4 + 4)
                         OVER (ORDER BY seq DESC ROWS UNBOUNDED PRECEDING) AS cost
                FROM (SELECT role, content, seq FROM messages
                      WHERE conversation_id = COALESCE(c.id, s.id) AND content IS NOT NULL
                        AND role IN ('user', 'assistant', 'agent')
                      ORDER BY seq DESC LIMIT 200) AS newest) AS counted
          WHERE cost <= a.history_tokens ORDER BY seq DESC) AS kept) AS h ON true
  ORDER BY a.ordinal)"};

/// Its row. Without a conversation its columns are NULL.
struct OpenRow {
  std::optional<std::string> tenant_status;
  bool allowed = false;
  bool is_two = false;
  std::optional<Uuid> id;
  std::optional<std::string> domain, session_id, status;
  bool with_person = false;
  std::int32_t takeover_epoch = 0;
  std::optional<std::string> recorded_answer;
  std::optional<TurnOutcome> outcome;
  bool already_handled = false;
  std::vector<std::string> roles, contents;  ///< of the history, newest first
};
BOOST_DESCRIBE_STRUCT(OpenRow, (),
                      (tenant_status, allowed, is_two, id, domain, session_id, status, with_person, takeover_epoch,
                       recorded_answer, outcome, already_handled, roles, contents))

/// A turn that is to be opened.
struct TurnKey {
  std::string domain;
  std::string session_id;
  Uuid wanted{};
  Uuid event_key{};
  std::int64_t history_tokens = 0;
};

std::vector<OpenRow> read_turns(pqxx::connection& connection, std::vector<TurnKey> const& turns) {
  using postgres::column;
  pqxx::nontransaction query{connection};
  return postgres::read<OpenRow>(
      postgres::run_prepared(query, open_turns,
                             {column(turns, [](TurnKey const& turn) { return turn.domain; }),
                              column(turns, [](TurnKey const& turn) { return turn.session_id; }),
                              column(turns, [](TurnKey const& turn) { return to_string(turn.wanted); }),
                              column(turns, [](TurnKey const& turn) { return to_string(turn.event_key); }),
                              column(turns, [](TurnKey const& turn) { return turn.history_tokens; })}));
}

/// The outcomes of turns, in their order.
std::vector<TurnOutcome> store_all(pqxx::transaction_base& transaction, std::vector<ChatTurn> const& turns,
                                   bool again) {
  using postgres::column;
  auto const answered = [](ChatTurn const& turn, std::string const& value) {
    return turn.outcome == TurnOutcome::answered ? std::optional{value} : std::nullopt;
  };
  return postgres::read<TurnOutcome>(
      transaction,
      "SELECT outcome FROM store_turns($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::bigint[],"
      " $7::int[], $8::text[], $9::uuid[], $10::text[], $11::text[], $12::text[], $13) ORDER BY ordinal",
      pqxx::params{
          column(turns, [](ChatTurn const& turn) { return to_string(turn.event_key); }),
          column(turns, [](ChatTurn const& turn) { return to_string(turn.conversation_id); }),
          column(turns, [](ChatTurn const& turn) { return turn.domain; }),
          column(turns, [](ChatTurn const& turn) { return turn.session_id; }),
          column(turns, [](ChatTurn const& turn) { return turn.text; }),
          column(turns, [](ChatTurn const& turn) { return turn.received_ms; }),
          column(turns, [](ChatTurn const& turn) { return turn.takeover_epoch; }),
          column(turns,
                 [](ChatTurn const& turn) { return std::string{boost::describe::enum_to_string(turn.outcome, "")}; }),
          column(turns,
                 [&](ChatTurn const& turn) { return answered(turn, to_string(name_uuid(turn.event_key, "answer"))); }),
          column(turns, [&](ChatTurn const& turn) { return answered(turn, turn.answer); }),
          column(
              turns,
              [](ChatTurn const& turn) { return turn.paid_for ? std::optional{turn.paid_for->model} : std::nullopt; }),
          column(turns,
                 [](ChatTurn const& turn) {
                   return turn.paid_for ? std::optional{json::encode(*turn.paid_for)} : std::nullopt;
                 }),
          again});
}

std::vector<TurnOutcome> store_turns(pqxx::transaction_base& transaction, std::vector<ChatTurn> const& turns) {
  return store_all(transaction, turns, false);
}

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

}  // namespace

Task<Conversation> PostgresConversations::open(Context& context, ChatMessageReceived const& message,
                                               std::int64_t history_tokens) {
  auto const derived = conversation_id_of(message.domain, message.session_id);
  auto const wanted = message.conversation_id.value_or(derived);
  auto reading = context.read_together<read_turns>(
      TurnKey{message.domain, message.session_id, wanted, context.event_key(), history_tokens});
  auto row = co_await std::move(reading);
  if (!row.tenant_status) throw Failure::permanent("domain is no tenant", "unknown_tenant");
  if (row.tenant_status != "active") throw Failure::permanent("the tenant is not active", "inactive_tenant");

  Conversation conversation;
  conversation.id = wanted;
  conversation.already_handled = row.already_handled;
  conversation.allowed = row.allowed;
  conversation.outcome = row.outcome;
  if (row.recorded_answer) {
    if (auto recorded = json::decode<assistant::RecordedAnswer>(*row.recorded_answer))
      conversation.recorded_answer = std::move(recorded->text);
  }
  if (!row.id) co_return conversation;  // its first message
  if (row.is_two) throw Failure::permanent("session_id belongs to another conversation", "wrong_conversation");
  if (row.domain != message.domain || row.session_id != message.session_id)
    throw Failure::permanent("conversation_id belongs to another session", "wrong_conversation");
  if (message.conversation_id && row.id != wanted)
    throw Failure::permanent("session_id belongs to another conversation", "wrong_conversation");
  conversation.id = *row.id;
  conversation.resolved = row.status == "resolved";
  conversation.with_person = row.with_person;
  conversation.takeover_epoch = row.takeover_epoch;
  for (auto i = std::min(row.roles.size(), row.contents.size()); i-- > 0;)
    conversation.history.push_back({std::move(row.roles[i]), std::move(row.contents[i])});
  co_return conversation;
}

bool PostgresConversations::was_deleted(UnitOfWork& unit, ChatTurn const& turn) {
  return unit.transaction().query_value<bool>("SELECT EXISTS (SELECT FROM pipeline.forgotten WHERE id IN ($1, $2))",
                                              pqxx::params{to_string(turn.event_key), to_string(turn.conversation_id)});
}

void PostgresConversations::store_turn(UnitOfWork& unit, ChatTurn turn, std::function<void(TurnOutcome)> then) {
  unit.write_together<store_turns>(std::move(turn), std::move(then));
}

void PostgresConversations::store_again(UnitOfWork& unit, ChatTurn turn) {
  store_all(unit.transaction(), {std::move(turn)}, true);
}

void PostgresConversations::note_parked(UnitOfWork& unit, Uuid const& event_key) {
  unit.transaction().exec("UPDATE pipeline.llm_responses SET outcome = 'parked' WHERE request_key = $1",
                          pqxx::params{to_string(event_key)});
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
