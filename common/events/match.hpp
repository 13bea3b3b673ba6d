/// Matches: what is asked of the match worker, and what it did.
#pragma once

#include "subjects/subjects.hpp"
#include "text/invalid_field.hpp"
#include "uuid/uuid.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/describe/class.hpp>

namespace omnibus {

/// What an analysis found out about two people.
struct MatchInsight {
  std::optional<Uuid> insight_id{};  ///< an insight that there is; missing: a new one
  std::string insight_type;          ///< its kind
  std::string title;                 ///< in a few words
  std::string description;           ///< in some sentences
  double relevance_score = 0;        ///< how much it matters for this match
  std::optional<double> score{};     ///< the strength of the insight itself
};
BOOST_DESCRIBE_STRUCT(MatchInsight, (), (insight_id, insight_type, title, description, relevance_score, score))

/// The first broken rule of the schema, or nothing; so for every event below.
std::optional<InvalidField> validate(MatchInsight const& insight);

/// Find the pairs that are worth an analysis, and have each analysed.
struct MatchBatchRequested {
  static constexpr std::string_view type = "omnibus.match.batch.requested.v1";
  std::string domain;
  Uuid batch_id;                             ///< the batch; also the record's key
  std::optional<std::int64_t> batch_size{};  ///< at most so many pairs; missing: MATCH_BATCH_SIZE
  std::optional<Uuid> requested_by{};        ///< the principal who asked; missing when the pipeline did
};
BOOST_DESCRIBE_STRUCT(MatchBatchRequested, (), (domain, batch_id, batch_size, requested_by))

std::optional<InvalidField> validate(MatchBatchRequested const& event);

/// Analyse a pair of people.
struct MatchPairRequested {
  static constexpr std::string_view type = "omnibus.match.pair.requested.v1";
  std::string domain;
  Uuid user_a_id;                  ///< the person with the smaller id
  Uuid user_b_id;                  ///< the person with the greater id
  std::optional<Uuid> batch_id{};  ///< the batch that found the pair
};
BOOST_DESCRIBE_STRUCT(MatchPairRequested, (), (domain, user_a_id, user_b_id, batch_id))

inline Subjects subjects_of(MatchPairRequested const& event, std::string_view) {
  return aliases({event.user_a_id, event.user_b_id});
}

std::optional<InvalidField> validate(MatchPairRequested const& event);

/// Analyse a pair that somebody chose, whatever its score will be.
struct MatchManualRequested {
  static constexpr std::string_view type = "omnibus.match.manual.requested.v1";
  std::string domain;
  Uuid user_a_id;                      ///< the person with the smaller id
  Uuid user_b_id;                      ///< the person with the greater id
  std::optional<Uuid> requested_by{};  ///< the principal who asked; missing when the pipeline did
};
BOOST_DESCRIBE_STRUCT(MatchManualRequested, (), (domain, user_a_id, user_b_id, requested_by))

inline Subjects subjects_of(MatchManualRequested const& event, std::string_view) {
  return aliases({event.user_a_id, event.user_b_id});
}

std::optional<InvalidField> validate(MatchManualRequested const& event);

/// Replace the insights of a match.
struct MatchInsightsOverrideRequested {
  static constexpr std::string_view type = "omnibus.match.insights.override.requested.v1";
  std::string domain;
  Uuid match_id;                       ///< the match
  std::vector<MatchInsight> insights;  ///< the insights from now on
  std::optional<Uuid> requested_by{};  ///< the principal who asked; missing when the pipeline did
};
BOOST_DESCRIBE_STRUCT(MatchInsightsOverrideRequested, (), (domain, match_id, insights, requested_by))

inline Subjects subjects_of(MatchInsightsOverrideRequested const& event, std::string_view) {
  return aliases({event.match_id});
}

std::optional<InvalidField> validate(MatchInsightsOverrideRequested const& event);

/// Activate scheduled matches before the clock does.
struct MatchMidnightRequested {
  static constexpr std::string_view type = "omnibus.match.midnight.requested.v1";
  std::string domain;
  Uuid batch_id;                       ///< the request; also the record's key
  std::optional<Uuid> user_id{};       ///< only matches of this person; missing: of everybody
  std::optional<Uuid> match_id{};      ///< only this match, whenever it is scheduled for
  std::optional<std::string> at{};     ///< take this for the time; missing: now
  std::optional<Uuid> requested_by{};  ///< the principal who asked; missing when the pipeline did
};
BOOST_DESCRIBE_STRUCT(MatchMidnightRequested, (), (domain, batch_id, user_id, match_id, at, requested_by))

inline Subjects subjects_of(MatchMidnightRequested const& event, std::string_view) {
  return aliases({event.user_id, event.match_id});
}

std::optional<InvalidField> validate(MatchMidnightRequested const& event);

/// A pair was analysed.
struct MatchAnalyzed {
  static constexpr std::string_view type = "omnibus.match.analyzed.v1";
  std::string domain;
  Uuid match_id;                   ///< the match
  Uuid user_a_id;                  ///< the person with the smaller id
  Uuid user_b_id;                  ///< the person with the greater id
  double opportunity_score = 0;    ///< two decimals
  std::string predicted_outcome;   ///< the most probable outcome
  std::int64_t insights = 0;       ///< how many insights it rests on
  std::optional<Uuid> batch_id{};  ///< the batch that found the pair
};
BOOST_DESCRIBE_STRUCT(MatchAnalyzed, (),
                      (domain, match_id, user_a_id, user_b_id, opportunity_score, predicted_outcome, insights,
                       batch_id))

inline Subjects subjects_of(MatchAnalyzed const& event, std::string_view) {
  return aliases({event.match_id, event.user_a_id, event.user_b_id});
}

std::optional<InvalidField> validate(MatchAnalyzed const& event);

/// A match waits for its midnight.
struct MatchScheduled {
  static constexpr std::string_view type = "omnibus.match.scheduled.v1";
  std::string domain;
  Uuid match_id;              ///< the match
  std::string scheduled_for;  ///< the later of both people's next local midnights
};
BOOST_DESCRIBE_STRUCT(MatchScheduled, (), (domain, match_id, scheduled_for))

inline Subjects subjects_of(MatchScheduled const& event, std::string_view) {
  return aliases({event.match_id});
}

std::optional<InvalidField> validate(MatchScheduled const& event);

/// The conversation of a match begins.
struct MatchActivated {
  static constexpr std::string_view type = "omnibus.match.activated.v1";
  std::string domain;
  Uuid match_id;         ///< the match
  Uuid conversation_id;  ///< the conversation of the two agents
};
BOOST_DESCRIBE_STRUCT(MatchActivated, (), (domain, match_id, conversation_id))

inline Subjects subjects_of(MatchActivated const& event, std::string_view) {
  return aliases({event.match_id, event.conversation_id});
}

std::optional<InvalidField> validate(MatchActivated const& event);

/// The conversation of a match was held.
struct MatchCompleted {
  static constexpr std::string_view type = "omnibus.match.completed.v1";
  std::string domain;
  Uuid match_id;         ///< the match
  Uuid conversation_id;  ///< the conversation of the two agents
};
BOOST_DESCRIBE_STRUCT(MatchCompleted, (), (domain, match_id, conversation_id))

inline Subjects subjects_of(MatchCompleted const& event, std::string_view) {
  return aliases({event.match_id, event.conversation_id});
}

std::optional<InvalidField> validate(MatchCompleted const& event);

/// A match comes to nothing.
struct MatchCancelled {
  static constexpr std::string_view type = "omnibus.match.cancelled.v1";
  std::string domain;
  Uuid match_id;       ///< the match
  std::string reason;  ///< a short stable word
};
BOOST_DESCRIBE_STRUCT(MatchCancelled, (), (domain, match_id, reason))

inline Subjects subjects_of(MatchCancelled const& event, std::string_view) {
  return aliases({event.match_id});
}

std::optional<InvalidField> validate(MatchCancelled const& event);

/// A person of the team replaced the insights of a match.
struct MatchInsightsOverridden {
  static constexpr std::string_view type = "omnibus.match.insights.overridden.v1";
  std::string domain;
  Uuid match_id;                     ///< the match
  std::vector<MatchInsight> before;  ///< the insights until now
  std::vector<MatchInsight> after;   ///< the insights from now on
  std::optional<Uuid> actor{};       ///< the principal who did it
};
BOOST_DESCRIBE_STRUCT(MatchInsightsOverridden, (), (domain, match_id, before, after, actor))

inline Subjects subjects_of(MatchInsightsOverridden const& event, std::string_view) {
  return aliases({event.match_id});
}

std::optional<InvalidField> validate(MatchInsightsOverridden const& event);

/// A pair could not be analysed.
struct MatchAnalysisFailed {
  static constexpr std::string_view type = "omnibus.match.analysis.failed.v1";
  std::string domain;
  Uuid match_id;       ///< the match
  Uuid user_a_id;      ///< the person with the smaller id
  Uuid user_b_id;      ///< the person with the greater id
  std::string reason;  ///< the dead letter's class
};
BOOST_DESCRIBE_STRUCT(MatchAnalysisFailed, (), (domain, match_id, user_a_id, user_b_id, reason))

inline Subjects subjects_of(MatchAnalysisFailed const& event, std::string_view) {
  return aliases({event.match_id, event.user_a_id, event.user_b_id});
}

std::optional<InvalidField> validate(MatchAnalysisFailed const& event);

}  // namespace omnibus
