#include "workers/outcome/store.hpp"

#include "json/encode.hpp"
#include "postgres/rows.hpp"

#include <cstdint>
#include <utility>
#include <vector>

#include <boost/describe/class.hpp>
#include <pqxx/pqxx>

namespace omnibus::outcome {
namespace {

struct ConversationRow {
  std::string domain, tenant_status;
  Uuid match_id;
  std::string status;
  std::optional<std::string> stop_reason, predicted_outcome;
  bool judged = false;
};
BOOST_DESCRIBE_STRUCT(ConversationRow, (),
                      (domain, tenant_status, match_id, status, stop_reason, predicted_outcome, judged))

struct SpokenTurnRow {
  std::int64_t turn_number = 0;
  std::string speaker_role, message;
  std::optional<std::int32_t> alignment;
};
BOOST_DESCRIBE_STRUCT(SpokenTurnRow, (), (turn_number, speaker_role, message, alignment))

}  // namespace

std::optional<HeldConversation> PostgresOutcomes::read_over(pqxx::connection& connection, Uuid const& conversation) {
  pqxx::nontransaction query{connection};
  auto const row = postgres::read_optional<ConversationRow>(
      query,
      "SELECT c.domain, t.status AS tenant_status, c.match_id, c.status, c.stop_reason, m.predicted_outcome, "
      "EXISTS (SELECT FROM omniscient_outcomes o WHERE o.conversation_id = c.id) AS judged "
      "FROM omniscient_conversations c JOIN omniscient_matches m ON m.id = c.match_id JOIN tenants t ON t.domain = "
      "c.domain WHERE c.id = $1",
      pqxx::params{to_string(conversation)});
  if (!row) return std::nullopt;
  HeldConversation held{row->domain,
                        row->tenant_status == "active",
                        row->match_id,
                        row->status,
                        row->stop_reason.value_or(""),
                        row->predicted_outcome.value_or(""),
                        row->judged,
                        {}};
  auto const turns = postgres::read<SpokenTurnRow>(
      query,
      "SELECT turn_number, speaker_role, message, (100 * opportunity_alignment_score)::int AS alignment "
      "FROM omniscient_turns WHERE conversation_id = $1 ORDER BY turn_number",
      pqxx::params{to_string(conversation)});
  held.turns.reserve(turns.size());
  for (auto const& turn : turns) {
    SpokenTurn spoken{turn.turn_number, turn.speaker_role, turn.message};
    if (turn.alignment) spoken.alignment = StoredScore::of_hundredths(*turn.alignment);
    held.turns.push_back(std::move(spoken));
  }
  return held;
}

Task<std::optional<HeldConversation>> PostgresOutcomes::read(Context& context, Uuid const& conversation) {
  auto reading =
      context.read([conversation](pqxx::connection& connection) { return read_over(connection, conversation); });
  co_return co_await std::move(reading);
}

bool PostgresOutcomes::add(UnitOfWork& unit, JudgedOutcome const& outcome) {
  auto& transaction = unit.transaction();
  auto const& judgement = outcome.judgement;
  // The conversation first: the outcome's row copies its actual outcome.
  auto const added = transaction.exec(
      "WITH conversation AS (UPDATE omniscient_conversations c SET actual_outcome = $2::omniscient_outcome, "
      "outcome_match_score = $3, quality_score = $4, conversation_summary = $5, key_moments = $6, "
      "deviation_analysis = $7, error = NULL WHERE c.id = $1 AND NOT EXISTS (SELECT FROM omniscient_outcomes o WHERE "
      "o.conversation_id = c.id) RETURNING c.id) SELECT id FROM conversation",
      pqxx::params{to_string(outcome.conversation_id), outcome.actual_outcome, outcome.match.text(),
                   outcome.quality.text(), judgement.summary, json::encode(judgement.key_moments), outcome.deviation});
  if (added.empty()) return false;
  transaction.exec(
      "INSERT INTO omniscient_outcomes (id, conversation_id, match_id, domain, outcome_analysis, "
      "collaboration_readiness_score, specific_next_steps, follow_up_recommended, follow_up_timeframe, "
      "created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, COALESCE(to_timestamp($10::bigint / 1000.0), now()))",
      pqxx::params{to_string(outcome.id), to_string(outcome.conversation_id), to_string(outcome.match_id),
                   outcome.domain, judgement.analysis, outcome.readiness.text(), json::encode(judgement.next_steps),
                   outcome.follow_up, judgement.follow_up_timeframe, outcome.scored_ms});
  return true;
}

void PostgresOutcomes::note_failure(UnitOfWork& unit, std::string const& domain, Uuid const& conversation,
                                    std::string const& error_class) {
  unit.transaction().exec(
      "UPDATE omniscient_conversations c SET error = $3 WHERE c.id = $1 AND c.domain = $2 AND c.status = 'completed' "
      "AND NOT EXISTS (SELECT FROM omniscient_outcomes o WHERE o.conversation_id = c.id)",
      pqxx::params{to_string(conversation), domain, error_class});
}

bool PostgresOutcomes::track(UnitOfWork& unit, OutcomeCollaborationTracked const& tracked) {
  auto const found = unit.transaction().exec(
      "WITH found AS (SELECT id FROM omniscient_outcomes WHERE id = $1 AND conversation_id = $2 AND match_id = $3 AND "
      "domain = $4), updated AS (UPDATE omniscient_outcomes o SET actual_collaboration_tracked = $5, "
      "collaboration_details = jsonb_strip_nulls(jsonb_build_object('details', $6::text, 'tracked_by', $7::text)) "
      "FROM found WHERE o.id = found.id) SELECT id FROM found",
      pqxx::params{to_string(tracked.outcome_id), to_string(tracked.conversation_id), to_string(tracked.match_id),
                   tracked.domain, tracked.tracked, tracked.details,
                   tracked.requested_by ? std::optional{to_string(*tracked.requested_by)} : std::nullopt});
  return !found.empty();
}

Task<> PostgresOutcomes::log_start(Context& context, processing::LoggedWork work) {
  return processing::start(context, std::move(work));
}

void PostgresOutcomes::log_end(UnitOfWork& unit, Context& context, processing::LoggedWork const& work,
                               processing::LoggedCost const& spent) {
  processing::complete(unit, context, work, spent);
}

void PostgresOutcomes::log_failure(UnitOfWork& unit, Context& context, processing::LoggedWork const& work,
                                   Failure const& failure) {
  processing::fail(unit, context, work, failure);
}

}  // namespace omnibus::outcome
