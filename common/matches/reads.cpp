#include "matches/reads.hpp"

#include "matches/json_column.hpp"
#include "postgres/rows.hpp"

#include <string_view>

#include <fmt/format.h>

namespace omnibus::matches {
namespace {

/// A column as RFC 3339 in UTC, under the name it has in the row's struct.
std::string utc_as(std::string_view column, std::string_view name) {
  return fmt::format(R"(to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS {})", column, name);
}

std::optional<std::string> text_of(std::optional<Uuid> const& id) {
  return id ? std::optional{to_string(*id)} : std::nullopt;
}

std::string person_query() {
  return "SELECT u.id, u.domain, u.handle, u.timezone, u.status, u.role, u.email, s.narrative, s.current_focus,"
         " s.seeking_connections, s.offering_expertise, " +
         utc_as("u.deep_analysis_consent_at", "deep_analysis_consent_at") + ", " +
         utc_as("u.created_at", "created_at") + ", " + utc_as("s.updated_at", "story_updated_at") +
         " FROM users u LEFT JOIN personal_stories s ON s.user_id = u.id";
}

std::string match_query() {
  return "SELECT m.id, m.domain, m.user_a_id, m.user_b_id, a.handle AS user_a_handle, b.handle AS user_b_handle,"
         " m.status, m.opportunity_score, m.predicted_outcome, m.analysis_summary, m.match_reasoning, m.score_parts,"
         " m.predicted_probabilities, m.attempts, m.cancel_reason, " +
         utc_as("m.scheduled_for", "scheduled_for") + ", " + utc_as("m.analyzed_at", "analyzed_at") + ", " +
         utc_as("m.created_at", "created_at") + ", " + utc_as("m.updated_at", "updated_at") +
         " FROM omniscient_matches m LEFT JOIN users a ON a.id = m.user_a_id LEFT JOIN users b ON b.id = m.user_b_id";
}

std::string agent_conversation_query() {
  return "SELECT c.id, c.domain, c.match_id, c.status, c.actual_outcome, c.outcome_match_score, c.quality_score,"
         " c.conversation_summary, c.key_moments, c.deviation_analysis, c.model_used, c.total_tokens, c.total_cost,"
         " c.stop_reason, c.error,"
         " (SELECT count(*) FROM omniscient_turns t WHERE t.conversation_id = c.id) AS turn_count, " +
         utc_as("c.started_at", "started_at") + ", " + utc_as("c.completed_at", "completed_at") + ", " +
         utc_as("c.created_at", "created_at") + ", " + utc_as("c.updated_at", "updated_at") +
         " FROM omniscient_conversations c";
}

std::string outcome_query() {
  return "SELECT o.id, o.conversation_id, o.match_id, o.domain, m.predicted_outcome, c.actual_outcome,"
         " c.outcome_match_score, o.outcome_analysis, o.collaboration_readiness_score, o.specific_next_steps,"
         " o.follow_up_recommended, o.follow_up_timeframe, o.actual_collaboration_tracked, o.collaboration_details, " +
         utc_as("o.created_at", "created_at") + ", " + utc_as("o.updated_at", "updated_at") +
         " FROM omniscient_outcomes o JOIN omniscient_conversations c ON c.id = o.conversation_id"
         " JOIN omniscient_matches m ON m.id = o.match_id";
}

std::string report_query(std::string_view texts = "") {
  return "SELECT r.id, r.domain, r.user_id, r.report_date, r.send_state, r.rating," + std::string(texts) +
         " (SELECT count(*) FROM omniscient_report_outcomes x WHERE x.report_id = r.id) AS outcomes, " +
         utc_as("r.sent_at", "sent_at") + ", " + utc_as("r.created_at", "created_at") + " FROM omniscient_reports r";
}

std::vector<ShownInsight> read_insights(pqxx::transaction_base& transaction, Uuid const& match_id) {
  return postgres::read<ShownInsight>(transaction,
                                      "SELECT i.id, i.insight_type, i.title, i.description, i.score,"
                                      " x.relevance_score, i.metadata, " +
                                          utc_as("i.created_at", "created_at") +
                                          " FROM omniscient_match_insights x"
                                          " JOIN omniscient_insights i ON i.id = x.insight_id"
                                          " WHERE x.match_id = $1::uuid ORDER BY x.relevance_score DESC, i.id",
                                      pqxx::params{to_string(match_id)});
}

std::vector<ShownOverride> read_overrides(pqxx::transaction_base& transaction, Uuid const& match_id) {
  return postgres::read<ShownOverride>(transaction,
                                       "SELECT id, actor, before, after, " + utc_as("created_at", "created_at") +
                                           " FROM omniscient_insight_overrides o WHERE match_id = $1::uuid"
                                           " ORDER BY o.created_at DESC, id",
                                       pqxx::params{to_string(match_id)});
}

std::vector<ShownTurn> read_turns(pqxx::transaction_base& transaction, Uuid const& conversation_id,
                                  std::int64_t after) {
  return postgres::read<ShownTurn>(transaction,
                                   "SELECT t.id, t.turn_number, t.speaker_user_id, t.speaker_role, t.message,"
                                   " t.guided_by_insights::text[] AS guided_by_insights,"
                                   " t.opportunity_alignment_score, t.prompt_tokens, t.completion_tokens,"
                                   " t.response_time_ms, " +
                                       utc_as("t.created_at", "created_at") +
                                       " FROM omniscient_turns t"
                                       " WHERE t.conversation_id = $1::uuid AND t.turn_number > $2"
                                       " ORDER BY t.turn_number LIMIT $3",
                                   pqxx::params{to_string(conversation_id), after, most_turns});
}

}  // namespace

std::vector<ShownPerson> read_people(pqxx::transaction_base& transaction, PersonFilter const& filter, Page page) {
  return postgres::read<ShownPerson>(transaction,
                                     person_query() +
                                         " WHERE ($1::text IS NULL OR u.domain = $1)"
                                         " AND ($2::text IS NULL OR u.status = $2)"
                                         " ORDER BY u.created_at DESC, u.id LIMIT $3 OFFSET $4",
                                     pqxx::params{filter.domain, filter.status, page.limit, page.offset});
}

std::optional<ShownPerson> read_person(pqxx::transaction_base& transaction, Uuid const& id) {
  return postgres::read_optional<ShownPerson>(transaction, person_query() + " WHERE u.id = $1::uuid",
                                              pqxx::params{to_string(id)});
}

std::vector<ShownMatch> read_matches(pqxx::transaction_base& transaction, MatchFilter const& filter, Page page) {
  return postgres::read<ShownMatch>(
      transaction,
      match_query() +
          " WHERE ($1::text IS NULL OR m.domain = $1) AND ($2::text IS NULL OR m.status = $2::omniscient_match_status)"
          " AND ($3::numeric IS NULL OR m.opportunity_score >= $3::numeric)"
          " AND ($4::uuid IS NULL OR m.user_a_id = $4::uuid OR m.user_b_id = $4::uuid)"
          " ORDER BY m.created_at DESC, m.id LIMIT $5 OFFSET $6",
      pqxx::params{filter.domain, filter.status, filter.min_score, text_of(filter.user_id), page.limit, page.offset});
}

std::optional<ShownMatch> read_match(pqxx::transaction_base& transaction, Uuid const& id) {
  return postgres::read_optional<ShownMatch>(transaction, match_query() + " WHERE m.id = $1::uuid",
                                             pqxx::params{to_string(id)});
}

std::optional<ShownMatch> read_match_of(pqxx::transaction_base& transaction, Uuid const& user, Uuid const& other) {
  return postgres::read_optional<ShownMatch>(transaction,
                                             match_query() +
                                                 " WHERE m.user_a_id = least($1::uuid, $2::uuid)"
                                                 " AND m.user_b_id = greatest($1::uuid, $2::uuid)"
                                                 " ORDER BY m.created_at DESC, m.id LIMIT 1",
                                             pqxx::params{to_string(user), to_string(other)});
}

std::optional<MatchDetail> read_match_detail(pqxx::transaction_base& transaction, Uuid const& id) {
  auto match = read_match(transaction, id);
  if (!match) return std::nullopt;
  return MatchDetail{*std::move(match), read_insights(transaction, id), read_overrides(transaction, id)};
}

std::vector<ShownAgentConversation> read_agent_conversations(pqxx::transaction_base& transaction,
                                                             AgentConversationFilter const& filter, Page page) {
  return postgres::read<ShownAgentConversation>(
      transaction,
      agent_conversation_query() +
          " WHERE ($1::text IS NULL OR c.domain = $1) AND ($2::text IS NULL OR c.status = $2)"
          " AND ($3::uuid IS NULL OR c.match_id = $3::uuid)"
          " AND ($4::uuid IS NULL OR EXISTS (SELECT FROM omniscient_matches m"
          "   WHERE m.id = c.match_id AND $4::uuid IN (m.user_a_id, m.user_b_id)))"
          " AND ($5::bigint IS NULL OR c.created_at >= to_timestamp($5::bigint / 1000.0))"
          " AND ($6::bigint IS NULL OR c.created_at < to_timestamp($6::bigint / 1000.0))"
          " ORDER BY c.created_at DESC, c.id LIMIT $7 OFFSET $8",
      pqxx::params{filter.domain, filter.status, text_of(filter.match_id), text_of(filter.user_id), filter.from_ms,
                   filter.to_ms, page.limit, page.offset});
}

std::optional<ShownAgentConversation> read_agent_conversation(pqxx::transaction_base& transaction, Uuid const& id) {
  return postgres::read_optional<ShownAgentConversation>(
      transaction, agent_conversation_query() + " WHERE c.id = $1::uuid", pqxx::params{to_string(id)});
}

std::optional<AgentConversationDetail> read_agent_conversation_detail(pqxx::transaction_base& transaction,
                                                                      Uuid const& id, std::int64_t after) {
  auto conversation = read_agent_conversation(transaction, id);
  if (!conversation) return std::nullopt;
  AgentConversationDetail detail;
  static_cast<ShownAgentConversation&>(detail) = *std::move(conversation);
  // Last the turns: each statement sees what was committed before it.
  detail.outcome = read_outcome_of(transaction, id);
  detail.turns = read_turns(transaction, id, after);
  return detail;
}

std::vector<ShownOutcome> read_outcomes(pqxx::transaction_base& transaction, OutcomeFilter const& filter, Page page) {
  return postgres::read<ShownOutcome>(transaction,
                                      outcome_query() +
                                          " WHERE ($1::text IS NULL OR o.domain = $1)"
                                          " AND ($2::uuid IS NULL OR o.conversation_id = $2::uuid)"
                                          " AND ($3::boolean IS NULL OR o.follow_up_recommended = $3::boolean)"
                                          " ORDER BY o.created_at DESC, o.id LIMIT $4 OFFSET $5",
                                      pqxx::params{filter.domain, text_of(filter.conversation_id),
                                                   filter.follow_up_recommended, page.limit, page.offset});
}

std::optional<ShownOutcome> read_outcome(pqxx::transaction_base& transaction, Uuid const& id) {
  return postgres::read_optional<ShownOutcome>(transaction, outcome_query() + " WHERE o.id = $1::uuid",
                                               pqxx::params{to_string(id)});
}

std::optional<ShownOutcome> read_outcome_of(pqxx::transaction_base& transaction, Uuid const& conversation_id) {
  return postgres::read_optional<ShownOutcome>(transaction, outcome_query() + " WHERE o.conversation_id = $1::uuid",
                                               pqxx::params{to_string(conversation_id)});
}

std::vector<ShownReport> read_reports(pqxx::transaction_base& transaction, ReportFilter const& filter, Page page) {
  return postgres::read<ShownReport>(
      transaction,
      report_query() +
          " WHERE ($1::text IS NULL OR r.domain = $1)"
          " AND ($2::uuid IS NULL OR r.user_id = $2::uuid)"
          " AND ($3::date IS NULL OR r.report_date = $3::date)"
          " ORDER BY r.report_date DESC, r.created_at DESC, r.id LIMIT $4 OFFSET $5",
      pqxx::params{filter.domain, text_of(filter.user_id), filter.report_date, page.limit, page.offset});
}

std::optional<ShownReportText> read_report_text(pqxx::transaction_base& transaction, Uuid const& id) {
  return postgres::read_optional<ShownReportText>(
      transaction, report_query(" r.text, r.html,") + " WHERE r.id = $1::uuid", pqxx::params{to_string(id)});
}

std::vector<ShownProcessingLog> read_processing_logs(pqxx::transaction_base& transaction,
                                                     ProcessingLogFilter const& filter, Page page) {
  return postgres::read<ShownProcessingLog>(
      transaction,
      "SELECT l.id, l.domain, l.process_type, l.action, l.status, l.target_id, l.target_type, l.metadata,"
      " l.error_message, l.processing_time_ms, l.tokens_used, l.cost_usd, l.event_id, " +
          utc_as("l.created_at", "created_at") + ", " + utc_as("l.completed_at", "completed_at") +
          " FROM omniscient_processing_logs l WHERE ($1::text IS NULL OR l.domain = $1)"
          " AND ($2::text IS NULL OR l.process_type = $2) AND ($3::text IS NULL OR l.status = $3)"
          " ORDER BY l.created_at DESC, l.id LIMIT $4 OFFSET $5",
      pqxx::params{filter.domain, filter.process_type, filter.status, page.limit, page.offset});
}

}  // namespace omnibus::matches
