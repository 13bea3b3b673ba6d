#include "workers/gdpr/export/exported_tables.hpp"

#include "postgres/rows.hpp"

#include <optional>
#include <vector>

#include <boost/describe/class.hpp>
#include <pqxx/pqxx>

namespace omnibus::gdpr {
namespace {

constexpr int rows_at_once = 500;

// A person of the team is "a person of the team"; the other side of a match is "the other person", and why they ended
// something is theirs. Keys, tokens and what workers keep for themselves stay out.
constexpr ExportedTable all_tables[] = {
    {"identity_links",
     "SELECT to_jsonb(t) - 'subject_key' FROM identity_links t, subject s"
     " WHERE t.domain = s.domain AND t.customer_id = ANY (s.customers) ORDER BY t.id"},
    {"profiles",
     "SELECT to_jsonb(t) - 'subject_key' FROM profiles t, subject s WHERE t.id = ANY (s.profiles) ORDER BY t.id"},
    {"omnichannel_sessions",
     "SELECT to_jsonb(t) FROM omnichannel_sessions t, subject s WHERE t.profile_id = ANY (s.profiles)"
     " ORDER BY t.created_at, t.id"},
    {"message_delivery_log",
     "SELECT to_jsonb(t) FROM message_delivery_log t, subject s WHERE t.profile_id = ANY (s.profiles)"
     " ORDER BY t.created_at, t.id"},
    {"delivery",
     "SELECT to_jsonb(t) - 'claimed_by' - 'lease_until' FROM pipeline.delivery t, subject s"
     " WHERE t.profile_id = ANY (s.profiles) ORDER BY t.planned_at, t.effect_key"},
    {"delivery_receipt",
     "SELECT to_jsonb(t) FROM pipeline.delivery_receipt t JOIN pipeline.delivery d"
     " USING (provider, provider_message_id), subject s WHERE d.profile_id = ANY (s.profiles)"
     " ORDER BY t.received_at, t.provider_message_id, t.status"},
    {"call_summaries",
     "SELECT to_jsonb(t) FROM call_summaries t, subject s WHERE t.domain = s.domain AND t.call_id IN"
     " (SELECT unnest(o.call_ids) FROM omnichannel_sessions o WHERE o.profile_id = ANY (s.profiles))"
     " ORDER BY t.created_at, t.call_id"},
    {"conversations",
     "SELECT to_jsonb(t) - 'subject_key' - 'takeover_epoch' FROM conversations t, subject s"
     " WHERE t.id = ANY (s.conversations) ORDER BY t.created_at, t.id"},
    {"messages",
     "SELECT to_jsonb(t) FROM messages t, subject s WHERE t.conversation_id = ANY (s.conversations)"
     " ORDER BY t.conversation_id, t.seq"},
    {"llm_responses",
     "SELECT to_jsonb(t) FROM pipeline.llm_responses t, subject s WHERE COALESCE(t.response #>> "
     "'{call,conversation_id}',"
     " t.response #>> '{failures,0,conversation_id}') = ANY ((s.conversations || s.calls)::text[]) OR t.event_id IN"
     " (SELECT m.source_event_id FROM messages m WHERE m.conversation_id = ANY (s.conversations)"
     "  UNION SELECT m.in_reply_to FROM messages m WHERE m.conversation_id = ANY (s.conversations)"
     "  UNION SELECT l.source_event_id FROM message_delivery_log l WHERE l.profile_id = ANY (s.profiles))"
     " ORDER BY t.created_at, t.request_key"},
    {"chat_telemetry",
     "SELECT to_jsonb(t) - 'replay_id' FROM chat_telemetry t, subject s"
     " WHERE t.conversation_id = ANY (s.conversations || s.calls) ORDER BY t.ts, t.call_id"},
    {"outbox",
     "SELECT jsonb_build_object('topic', t.topic, 'created_at', t.created_at, 'value', pipeline.readable(t.value))"
     " FROM pipeline.outbox t, subject s WHERE t.key IN (SELECT convert_to(named.key, 'UTF8') FROM"
     " (SELECT unnest(s.keys) UNION SELECT unnest(s.profiles || s.conversations || s.users)::text) AS named (key))"
     " ORDER BY t.id"},
    {"consents",
     "SELECT to_jsonb(t) - 'subject_key' FROM consents t, subject s"
     " WHERE t.domain = s.domain AND t.subject_key = ANY (s.keys) ORDER BY t.created_at, t.id"},
    {"suppressions",
     "SELECT to_jsonb(t) - 'subject_key' FROM suppressions t, subject s"
     " WHERE t.domain = s.domain AND t.subject_key = ANY (s.keys) ORDER BY t.channel"},
    {"gdpr_requests",
     "SELECT to_jsonb(t) - 'subject_key' - 'identities' - 'held_by' FROM gdpr_requests t, subject s"
     " WHERE t.domain = s.domain AND t.identities && s.keys AND t.id <> s.request_id ORDER BY t.created_at, t.id"},
    {"gdpr_audit_log",
     "SELECT to_jsonb(t) - 'subject_key' || jsonb_build_object('actor', CASE WHEN t.actor LIKE 'worker:%' THEN"
     " 'a worker' ELSE 'a person of the team' END) FROM gdpr_audit_log t, subject s"
     " WHERE t.domain = s.domain AND t.subject_key = ANY (s.keys) AND t.request_id IS DISTINCT FROM s.request_id"
     " ORDER BY t.created_at, t.id"},
    {"principals",
     "SELECT jsonb_build_object('id', t.id, 'role', t.role, 'kind', t.kind, 'name', t.name, 'email', t.email,"
     " 'disabled_at', t.disabled_at, 'created_at', t.created_at) FROM principals t, subject s"
     " WHERE t.id = ANY (s.principals) ORDER BY t.id"},
    {"access_log",
     "SELECT to_jsonb(t) - 'object' - 'ip_hash' FROM access_log t, subject s WHERE t.domain = s.domain"
     " AND t.principal_id = ANY (s.principals) ORDER BY t.created_at, t.id"},
    {"users", "SELECT to_jsonb(t) - 'auth_user_id' FROM users t, subject s WHERE t.id = ANY (s.users) ORDER BY t.id"},
    {"personal_stories",
     "SELECT to_jsonb(t) FROM personal_stories t, subject s WHERE t.user_id = ANY (s.users) ORDER BY t.user_id"},
    {"omniscient_blocks",
     "SELECT jsonb_build_object('user_id', t.user_id, 'other', 'the other person', 'created_at', t.created_at)"
     " FROM omniscient_blocks t, subject s WHERE t.user_id = ANY (s.users) ORDER BY t.created_at"},
    {"omniscient_matches",
     "SELECT to_jsonb(t) - 'user_a_id' - 'user_b_id' - 'cancel_reason' FROM omniscient_matches t, subject s"
     " WHERE t.id = ANY (s.matches) ORDER BY t.created_at, t.id"},
    {"omniscient_match_insights",
     "SELECT to_jsonb(t) FROM omniscient_match_insights t, subject s WHERE t.match_id = ANY (s.matches)"
     " ORDER BY t.created_at, t.id"},
    {"omniscient_insights",
     "SELECT to_jsonb(t) - 'user_a_id' - 'user_b_id' FROM omniscient_insights t, subject s"
     " WHERE t.user_a_id = ANY (s.users) OR t.user_b_id = ANY (s.users) OR t.id IN (SELECT i.insight_id"
     " FROM omniscient_match_insights i WHERE i.match_id = ANY (s.matches)) ORDER BY t.created_at, t.id"},
    {"omniscient_insight_overrides",
     "SELECT to_jsonb(t) FROM omniscient_insight_overrides t, subject s WHERE t.match_id = ANY (s.matches)"
     " ORDER BY t.created_at, t.id"},
    {"omniscient_conversations",
     "SELECT to_jsonb(t) - 'stop_reason' - 'error' FROM omniscient_conversations t, subject s"
     " WHERE t.id = ANY (s.agent_conversations) ORDER BY t.created_at, t.id"},
    {"omniscient_turns",
     "SELECT to_jsonb(t) - 'speaker_user_id' - 'speaker_role' || jsonb_build_object('speaker',"
     " CASE WHEN t.speaker_user_id = ANY (s.users) THEN 'you' ELSE 'the other person' END)"
     " FROM omniscient_turns t, subject s WHERE t.conversation_id = ANY (s.agent_conversations)"
     " ORDER BY t.conversation_id, t.turn_number"},
    {"omniscient_outcomes",
     "SELECT to_jsonb(t) FROM omniscient_outcomes t, subject s WHERE t.match_id = ANY (s.matches)"
     " ORDER BY t.created_at, t.id"},
    {"omniscient_reports",
     "SELECT to_jsonb(t) FROM omniscient_reports t, subject s WHERE t.user_id = ANY (s.users)"
     " ORDER BY t.report_date, t.id"},
    {"omniscient_report_outcomes",
     "SELECT to_jsonb(t) FROM omniscient_report_outcomes t, subject s WHERE t.user_id = ANY (s.users)"
     " ORDER BY t.report_id, t.outcome_id"},
    {"omniscient_report_unsubscriptions",
     "SELECT to_jsonb(t) FROM omniscient_report_unsubscriptions t, subject s WHERE t.user_id = ANY (s.users)"},
    {"omniscient_processing_logs",
     "SELECT to_jsonb(t) FROM omniscient_processing_logs t, subject s"
     " WHERE t.domain = s.domain AND t.target_id = ANY (s.users || s.matches || s.agent_conversations)"
     " ORDER BY t.created_at, t.id"},
};

/// One who is not the exported person.
struct OtherRow {
  std::string id, handle;
  std::optional<std::string> email, narrative, current_focus;
};
BOOST_DESCRIBE_STRUCT(OtherRow, (), (id, handle, email, narrative, current_focus))

std::vector<std::string> texts_of(std::vector<Uuid> const& ids) {
  std::vector<std::string> texts;
  texts.reserve(ids.size());
  for (auto const& id : ids) texts.push_back(to_string(id));
  return texts;
}

}  // namespace

std::span<ExportedTable const> exported_tables() {
  return all_tables;
}

void visit_tables(pqxx::transaction_base& transaction, privacy::KnownPerson const& person, Uuid const& request,
                  TableVisitor const& visitor) {
  transaction.exec("SET LOCAL TimeZone = 'UTC'");
  transaction.exec(
      "CREATE TEMPORARY TABLE subject ON COMMIT DROP AS SELECT $1::text AS domain, $2::text[] AS keys,"
      " $3::uuid[] AS profiles, $4::uuid[] AS conversations, $5::uuid[] AS users, $6::uuid[] AS customers,"
      " $7::uuid[] AS matches, $8::uuid[] AS agent_conversations,"
      " $9::uuid AS request_id, $10::uuid[] AS calls, $11::uuid[] AS principals",
      pqxx::params{person.domain, std::vector<std::string>(person.keys.begin(), person.keys.end()),
                   texts_of(person.profiles), texts_of(person.conversations), texts_of(person.users),
                   texts_of(person.customers), texts_of(person.matches), texts_of(person.agent_conversations),
                   to_string(request), texts_of(person.calls), texts_of(person.principals)});
  auto const fetch = "FETCH " + std::to_string(rows_at_once) + " FROM exported";
  for (auto const& table : exported_tables()) {
    visitor.begin(table.name);
    transaction.exec("DECLARE exported NO SCROLL CURSOR FOR " + std::string{table.query});
    for (auto rows = transaction.exec(fetch); !rows.empty(); rows = transaction.exec(fetch))
      for (auto const& row : rows) visitor.row(row[0].view());
    transaction.exec("CLOSE exported");
  }
}

OtherPeople find_other_people(pqxx::transaction_base& transaction, privacy::KnownPerson const& person) {
  std::vector<OtherParty> people;
  for (auto& row : postgres::read<OtherRow>(
           transaction,
           "SELECT u.id, u.handle, u.email, p.narrative, p.current_focus FROM users u"
           " LEFT JOIN personal_stories p ON p.user_id = u.id WHERE NOT u.id = ANY ($1::uuid[]) AND u.id IN"
           " (SELECT unnest(ARRAY[m.user_a_id, m.user_b_id]) FROM omniscient_matches m WHERE m.id = ANY ($2::uuid[])"
           "  UNION SELECT b.other_id FROM omniscient_blocks b WHERE b.user_id = ANY ($1::uuid[])"
           "  UNION SELECT b.user_id FROM omniscient_blocks b WHERE b.other_id = ANY ($1::uuid[])) ORDER BY u.id",
           pqxx::params{texts_of(person.users), texts_of(person.matches)})) {
    OtherParty other{std::move(row.id), std::move(row.handle), {}};
    for (auto* const text : {&row.email, &row.narrative, &row.current_focus})
      if (*text) other.texts.push_back(*std::move(*text));
    people.push_back(std::move(other));
  }
  return OtherPeople{people};
}

}  // namespace omnibus::gdpr
