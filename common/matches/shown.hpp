/// Matches, conversations between agents, and what came of them, as the API and the tool show them. Times are RFC 3339
/// in UTC; what is not known yet is missing.
#pragma once

#include "json/raw.hpp"
#include "uuid/uuid.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <boost/describe/class.hpp>

namespace omnibus::matches {

/// A person with their story.
struct ShownPerson {
  Uuid id;
  std::string domain, handle, timezone, status, role;
  std::optional<std::string> email, deep_analysis_consent_at;
  std::string created_at;
  std::optional<std::string> narrative, current_focus;
  std::optional<std::vector<std::string>> seeking_connections, offering_expertise;
  std::optional<std::string> story_updated_at;
};
BOOST_DESCRIBE_STRUCT(ShownPerson, (),
                      (id, domain, handle, timezone, status, role, email, deep_analysis_consent_at, created_at,
                       narrative, current_focus, seeking_connections, offering_expertise, story_updated_at))

/// What a match rests on.
struct ShownInsight {
  Uuid id;
  std::string insight_type, title, description;
  std::optional<double> score, relevance_score;
  std::optional<json::Raw> metadata;
  std::string created_at;
};
BOOST_DESCRIBE_STRUCT(ShownInsight, (),
                      (id, insight_type, title, description, score, relevance_score, metadata, created_at))

/// A person of the team replaced the insights of a match.
struct ShownOverride {
  Uuid id;
  std::optional<Uuid> actor;
  json::Raw before, after;
  std::string created_at;
};
BOOST_DESCRIBE_STRUCT(ShownOverride, (), (id, actor, before, after, created_at))

struct ShownMatch {
  Uuid id;
  std::string domain;
  Uuid user_a_id, user_b_id;
  std::optional<std::string> user_a_handle, user_b_handle;  ///< missing for a reader who may not see the person
  std::string status;
  std::optional<double> opportunity_score;
  std::optional<std::string> predicted_outcome, analysis_summary, match_reasoning, scheduled_for, analyzed_at;
  std::string created_at, updated_at;
  std::optional<json::Raw> score_parts, predicted_probabilities;
  std::int64_t attempts = 0;
  std::optional<std::string> cancel_reason;
};
BOOST_DESCRIBE_STRUCT(ShownMatch, (),
                      (id, domain, user_a_id, user_b_id, user_a_handle, user_b_handle, status, opportunity_score,
                       predicted_outcome, analysis_summary, match_reasoning, scheduled_for, analyzed_at, created_at,
                       updated_at, score_parts, predicted_probabilities, attempts, cancel_reason))

/// A match with what it rests on.
struct MatchDetail {
  ShownMatch match;
  std::vector<ShownInsight> insights;
  std::optional<std::vector<ShownOverride>> overrides;  ///< missing for a reader who may not see them
};
BOOST_DESCRIBE_STRUCT(MatchDetail, (), (match, insights, overrides))

struct ShownTurn {
  Uuid id;
  std::int64_t turn_number = 0;
  Uuid speaker_user_id;
  std::string speaker_role, message;
  std::optional<std::vector<std::string>> guided_by_insights;
  std::optional<double> opportunity_alignment_score;
  std::int64_t prompt_tokens = 0, completion_tokens = 0;
  std::optional<std::int64_t> response_time_ms;
  std::string created_at;
};
BOOST_DESCRIBE_STRUCT(ShownTurn, (),
                      (id, turn_number, speaker_user_id, speaker_role, message, guided_by_insights,
                       opportunity_alignment_score, prompt_tokens, completion_tokens, response_time_ms, created_at))

struct ShownAgentConversation {
  Uuid id;
  std::string domain;
  Uuid match_id;
  std::string status;
  std::int64_t turn_count = 0;
  std::optional<std::string> actual_outcome;
  std::optional<double> outcome_match_score, quality_score;
  std::optional<std::string> conversation_summary;
  std::optional<json::Raw> key_moments;
  std::optional<std::string> deviation_analysis, model_used;
  std::int64_t total_tokens = 0;
  std::string total_cost;
  std::optional<std::string> started_at, completed_at;
  std::string created_at, updated_at;
  std::optional<std::string> stop_reason, error;
};
BOOST_DESCRIBE_STRUCT(ShownAgentConversation, (),
                      (id, domain, match_id, status, turn_count, actual_outcome, outcome_match_score, quality_score,
                       conversation_summary, key_moments, deviation_analysis, model_used, total_tokens, total_cost,
                       started_at, completed_at, created_at, updated_at, stop_reason, error))

/// An outcome, with what was predicted and what was judged of its conversation.
struct ShownOutcome {
  Uuid id, conversation_id, match_id;
  std::string domain;
  std::optional<std::string> predicted_outcome, actual_outcome;
  std::optional<double> outcome_match_score;
  std::string outcome_analysis;
  std::optional<double> collaboration_readiness_score;
  std::optional<json::Raw> specific_next_steps;
  bool follow_up_recommended = false;
  std::optional<std::string> follow_up_timeframe;
  bool actual_collaboration_tracked = false;
  std::optional<json::Raw> collaboration_details;
  std::string created_at, updated_at;
};
BOOST_DESCRIBE_STRUCT(ShownOutcome, (),
                      (id, conversation_id, match_id, domain, predicted_outcome, actual_outcome, outcome_match_score,
                       outcome_analysis, collaboration_readiness_score, specific_next_steps, follow_up_recommended,
                       follow_up_timeframe, actual_collaboration_tracked, collaboration_details, created_at,
                       updated_at))

/// A conversation with its turns and, once it is judged, its outcome.
struct AgentConversationDetail : ShownAgentConversation {
  std::vector<ShownTurn> turns;
  std::optional<ShownOutcome> outcome;
};
BOOST_DESCRIBE_STRUCT(AgentConversationDetail, (ShownAgentConversation), (turns, outcome))

/// A report without its texts.
struct ShownReport {
  Uuid id;
  std::string domain;
  Uuid user_id;
  std::string report_date;
  std::int64_t outcomes = 0;
  std::optional<std::string> send_state, sent_at;
  std::optional<std::int64_t> rating;
  std::string created_at;
};
BOOST_DESCRIBE_STRUCT(ShownReport, (),
                      (id, domain, user_id, report_date, outcomes, send_state, sent_at, rating, created_at))

struct ShownReportText : ShownReport {
  std::string text, html;
};
BOOST_DESCRIBE_STRUCT(ShownReportText, (ShownReport), (text, html))

/// What a worker did for an event.
struct ShownProcessingLog {
  Uuid id;
  std::string domain, process_type, action, status;
  std::optional<Uuid> target_id;
  std::optional<std::string> target_type;
  std::optional<json::Raw> metadata;
  std::optional<std::string> error_message;
  std::optional<std::int64_t> processing_time_ms, tokens_used;
  std::optional<std::string> cost_usd;
  std::string created_at;
  std::optional<std::string> completed_at;
  Uuid event_id;
};
BOOST_DESCRIBE_STRUCT(ShownProcessingLog, (),
                      (id, domain, process_type, action, status, target_id, target_type, metadata, error_message,
                       processing_time_ms, tokens_used, cost_usd, created_at, completed_at, event_id))

}  // namespace omnibus::matches
