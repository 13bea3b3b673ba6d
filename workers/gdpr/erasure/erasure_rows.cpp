// The rows of an erased person, by table, as schemas/erased.yaml says.
#include "workers/gdpr/erasure/erasure_store.hpp"

#include <array>
#include <stdexcept>

#include <boost/algorithm/string/replace.hpp>
#include <pqxx/pqxx>

namespace omnibus::gdpr {
namespace {

/// One statement. `IDS` is the person's aliases as UUIDs, `KEYS` all keys as text, `DOMAIN` the tenant, `MOST` the size
/// of a batch.
struct RowStep {
  std::string_view table;
  std::string_view sql;
};

// The UUID of zeros stands for nobody in rows that were blanked: they would be blanked again and again.
constexpr std::string_view given =
    "WITH given AS (SELECT array_remove($1::uuid[], '00000000-0000-0000-0000-000000000000') AS ids, $2::text[] AS "
    "keys, $3::text AS domain, $4::bigint AS most) ";

// What others refer to comes last: until then it is found by it. The tenant is asked for even where an id would do:
// whoever asks for an erasure may name any id.
constexpr std::array row_steps{
    // Whoever leaves the team must not sign in while the rest is erased. Their conversations go back to the queue.
    RowStep{"principals", "SELECT FROM generate_series(1, pipeline.blank_colleagues(DOMAIN, IDS))"},
    RowStep{"conversations.owner_id",
            "SELECT FROM generate_series(1, pipeline.release_conversations(DOMAIN, IDS, MOST))"},
    RowStep{"pipeline.llm_responses", R"(
        DELETE FROM pipeline.llm_responses WHERE request_key = ANY (ARRAY(
          SELECT request_key FROM pipeline.llm_responses
          WHERE COALESCE(response #>> '{call,conversation_id}', response #>> '{failures,0,conversation_id}')
            = ANY (IDS::text[])
          LIMIT MOST)))"},
    RowStep{"pipeline.llm_responses", R"(
        DELETE FROM pipeline.llm_responses WHERE request_key = ANY (ARRAY(
          SELECT r.request_key FROM messages m JOIN pipeline.llm_responses r ON r.event_id = m.source_event_id
          WHERE m.conversation_id = ANY (IDS) LIMIT MOST)))"},
    RowStep{"pipeline.llm_responses", R"(
        DELETE FROM pipeline.llm_responses WHERE request_key = ANY (ARRAY(
          SELECT r.request_key FROM message_delivery_log l JOIN pipeline.llm_responses r ON r.event_id = l.source_event_id
          WHERE l.profile_id = ANY (IDS) LIMIT MOST)))"},
    RowStep{"pipeline.parked_records", R"(
        DELETE FROM pipeline.parked_records WHERE letter_id = ANY (ARRAY(
          SELECT letter_id FROM pipeline.parked_records WHERE subjects && KEYS LIMIT MOST)))"},
    RowStep{"messages", R"(
        DELETE FROM messages WHERE id = ANY (ARRAY(
          SELECT m.id FROM conversations c JOIN messages m ON m.conversation_id = c.id
          WHERE c.id = ANY (IDS) AND c.domain = DOMAIN LIMIT MOST)))"},
    RowStep{"conversations", R"(
        DELETE FROM conversations WHERE id = ANY (ARRAY(
          SELECT id FROM conversations WHERE id = ANY (IDS) AND domain = DOMAIN LIMIT MOST)))"},
    RowStep{"call_summaries", R"(
        DELETE FROM call_summaries c USING omnichannel_sessions s
        WHERE s.profile_id = ANY (IDS) AND s.domain = DOMAIN AND c.domain = s.domain AND c.call_id = ANY (s.call_ids))"},
    RowStep{"pipeline.delivery_receipt", R"(
        DELETE FROM pipeline.delivery_receipt WHERE ctid = ANY (ARRAY(
          SELECT r.ctid FROM pipeline.delivery d
          JOIN pipeline.delivery_receipt r USING (provider, provider_message_id)
          WHERE d.profile_id = ANY (IDS) AND d.domain = DOMAIN LIMIT MOST)))"},
    RowStep{"pipeline.delivery", R"(
        UPDATE pipeline.delivery
        SET profile_id = '00000000-0000-0000-0000-000000000000', session_id = NULL, provider_message_id = NULL,
            answer = NULL, reason = NULL,
            state = CASE WHEN state IN ('planned', 'claimed') THEN 'skipped' ELSE state END,
            error_code = CASE WHEN state IN ('planned', 'claimed') THEN 'erased' ELSE error_code END
        WHERE effect_key = ANY (ARRAY(
          SELECT effect_key FROM pipeline.delivery WHERE profile_id = ANY (IDS) AND domain = DOMAIN LIMIT MOST)))"},
    RowStep{"message_delivery_log", R"(
        DELETE FROM message_delivery_log WHERE id = ANY (ARRAY(
          SELECT id FROM message_delivery_log WHERE profile_id = ANY (IDS) AND domain = DOMAIN LIMIT MOST)))"},
    RowStep{"omnichannel_sessions", R"(
        DELETE FROM omnichannel_sessions WHERE id = ANY (ARRAY(
          SELECT id FROM omnichannel_sessions WHERE profile_id = ANY (IDS) AND domain = DOMAIN LIMIT MOST)))"},
    RowStep{"profiles", "DELETE FROM profiles WHERE id = ANY (IDS) AND domain = DOMAIN"},
    RowStep{"consents", "DELETE FROM consents WHERE domain = DOMAIN AND subject_key = ANY (KEYS)"},
    RowStep{"identity_links", "DELETE FROM identity_links WHERE domain = DOMAIN AND subject_key = ANY (KEYS)"},
    RowStep{"access_log", R"(
        UPDATE access_log SET object = NULL WHERE id = ANY (ARRAY(
          SELECT a.id FROM access_log a
          WHERE a.domain = DOMAIN AND a.object IS NOT NULL AND pipeline.ids_in(a.object) && KEYS LIMIT MOST)))"},
    // The report of another person, which tells of a conversation with this one.
    RowStep{"omniscient_reports", R"(
        UPDATE omniscient_reports SET text = '', html = '' WHERE id = ANY (ARRAY(
          SELECT DISTINCT r.id FROM omniscient_matches m
          JOIN omniscient_outcomes o ON o.match_id = m.id
          JOIN omniscient_report_outcomes h ON h.outcome_id = o.id
          JOIN omniscient_reports r ON r.id = h.report_id
          WHERE (m.user_a_id = ANY (IDS) OR m.user_b_id = ANY (IDS)) AND m.domain = DOMAIN AND NOT r.user_id = ANY (IDS)
            AND r.text <> '' LIMIT MOST)))"},
    RowStep{"omniscient_processing_logs", R"(
        UPDATE omniscient_processing_logs SET target_id = NULL, metadata = '{}' WHERE id = ANY (ARRAY(
          SELECT id FROM omniscient_processing_logs WHERE target_id = ANY (IDS) AND domain = DOMAIN LIMIT MOST)))"},
    RowStep{"omniscient_turns", R"(
        DELETE FROM omniscient_turns WHERE id = ANY (ARRAY(
          SELECT t.id FROM omniscient_conversations c JOIN omniscient_turns t ON t.conversation_id = c.id
          WHERE c.id = ANY (IDS) AND c.domain = DOMAIN LIMIT MOST)))"},
    RowStep{"omniscient_matches", R"(
        DELETE FROM omniscient_matches WHERE id = ANY (ARRAY(
          SELECT id FROM omniscient_matches WHERE (user_a_id = ANY (IDS) OR user_b_id = ANY (IDS)) AND domain = DOMAIN
          LIMIT MOST)))"},
    RowStep{"principals", R"(
        DELETE FROM principals p USING users u
        WHERE u.id = ANY (IDS) AND u.domain = DOMAIN AND p.id = u.auth_user_id AND p.kind = 'person'
          AND p.role = 'visitor')"},
    RowStep{"users", "DELETE FROM users WHERE id = ANY (IDS) AND domain = DOMAIN"},
    RowStep{"users.blocked_user_ids", R"(
        UPDATE users SET blocked_user_ids = ARRAY(SELECT unnest(blocked_user_ids) EXCEPT SELECT unnest(IDS))
        WHERE domain = DOMAIN AND blocked_user_ids && IDS)"},
};

/// The steps share tables: each has a name of its own, `table` or `table/2`.
std::string name_of(std::size_t step) {
  std::size_t earlier = 1;
  for (std::size_t i = 0; i < step; ++i)
    if (row_steps.at(i).table == row_steps.at(step).table) ++earlier;
  auto name = std::string{row_steps.at(step).table};
  return earlier == 1 ? name : name + "/" + std::to_string(earlier);
}

std::string complete(std::string_view sql) {
  auto text = std::string{given}.append(sql);
  boost::replace_all(text, "IDS", "(SELECT ids FROM given)::uuid[]");
  boost::replace_all(text, "KEYS", "(SELECT keys FROM given)::text[]");
  boost::replace_all(text, "DOMAIN", "(SELECT domain FROM given)");
  boost::replace_all(text, "MOST", "(SELECT most FROM given)");
  return text;
}

}  // namespace

std::vector<std::string> PostgresErasure::steps() const {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < row_steps.size(); ++i) names.push_back(name_of(i));
  return names;
}

std::int64_t PostgresErasure::erase(UnitOfWork& unit, std::string const& step, std::string const& domain,
                                    Keys const& keys) {
  std::vector<std::string> const list{keys.begin(), keys.end()};
  for (std::size_t i = 0; i < row_steps.size(); ++i)
    if (name_of(i) == step)
      return unit.transaction()
          .exec(complete(row_steps.at(i).sql), pqxx::params{list, list, domain, erasure_batch})
          .affected_rows();
  throw std::invalid_argument{"no step of an erasure: " + step};
}

std::int64_t PostgresErasure::remove_archives(UnitOfWork& unit, std::string const& domain, Keys const& keys,
                                              std::int64_t asked_ms) {
  std::vector<std::string> const list{keys.begin(), keys.end()};
  return unit.transaction()
      .exec("SELECT remove_gdpr_archives($1, $2, to_timestamp($3::bigint / 1000.0))",
            pqxx::params{domain, list, asked_ms})
      .one_field()
      .as<std::int64_t>();
}

std::int64_t PostgresErasure::detach_telemetry(UnitOfWork& unit, std::string const& day, Keys const& keys) {
  std::vector<std::string> const list{keys.begin(), keys.end()};
  return unit.transaction()
      .exec(
          "WITH others AS MATERIALIZED (SELECT k::uuid AS old, gen_random_uuid() AS new FROM unnest($1::text[]) AS k) "
          "UPDATE chat_telemetry t SET conversation_id = o.new FROM others o WHERE t.conversation_id = o.old "
          "AND t.ts >= $2::date::timestamp AT TIME ZONE 'UTC' AND t.ts < ($2::date + 1)::timestamp AT TIME ZONE 'UTC'",
          pqxx::params{list, day})
      .affected_rows();
}

}  // namespace omnibus::gdpr
