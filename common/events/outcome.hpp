/// What came of a conversation between two agents.
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

/// Judge a completed conversation.
struct OutcomeAnalysisRequested {
  static constexpr std::string_view type = "omnibus.outcome.analysis.requested.v1";
  std::string domain;
  Uuid match_id;                       ///< the match
  Uuid conversation_id;                ///< the conversation of the two agents
  std::optional<Uuid> requested_by{};  ///< the principal who asked; missing when the pipeline did
};
BOOST_DESCRIBE_STRUCT(OutcomeAnalysisRequested, (), (domain, match_id, conversation_id, requested_by))

inline Subjects subjects_of(OutcomeAnalysisRequested const& event, std::string_view) {
  return aliases({event.match_id, event.conversation_id});
}

std::optional<InvalidField> validate(OutcomeAnalysisRequested const& event);

/// The outcome of a conversation was judged.
struct OutcomeScored {
  static constexpr std::string_view type = "omnibus.outcome.scored.v1";
  std::string domain;
  Uuid match_id;                             ///< the match
  Uuid conversation_id;                      ///< the conversation of the two agents
  Uuid outcome_id;                           ///< the outcome's row
  std::string predicted_outcome;             ///< as the analysis predicted it
  std::string actual_outcome;                ///< as it was judged from the transcript alone
  double outcome_match_score = 0;            ///< how close both are
  double collaboration_readiness_score = 0;  ///< how ready both are to work together
  double quality_score = 0;                  ///< how good the conversation was
  bool follow_up_recommended = false;        ///< whether the two should meet
};
BOOST_DESCRIBE_STRUCT(OutcomeScored, (),
                      (domain, match_id, conversation_id, outcome_id, predicted_outcome, actual_outcome,
                       outcome_match_score, collaboration_readiness_score, quality_score, follow_up_recommended))

inline Subjects subjects_of(OutcomeScored const& event, std::string_view) {
  return aliases({event.match_id, event.conversation_id});
}

std::optional<InvalidField> validate(OutcomeScored const& event);

/// Two people should meet.
struct OutcomeFollowupRecommended {
  static constexpr std::string_view type = "omnibus.outcome.followup.recommended.v1";
  std::string domain;
  Uuid match_id;                           ///< the match
  Uuid conversation_id;                    ///< the conversation of the two agents
  Uuid outcome_id;                         ///< the outcome's row
  std::optional<std::string> timeframe{};  ///< when
};
BOOST_DESCRIBE_STRUCT(OutcomeFollowupRecommended, (), (domain, match_id, conversation_id, outcome_id, timeframe))

inline Subjects subjects_of(OutcomeFollowupRecommended const& event, std::string_view) {
  return aliases({event.match_id, event.conversation_id});
}

std::optional<InvalidField> validate(OutcomeFollowupRecommended const& event);

/// A person of the team records whether two people work together.
struct OutcomeCollaborationTracked {
  static constexpr std::string_view type = "omnibus.outcome.collaboration.tracked.v1";
  std::string domain;
  Uuid match_id;                         ///< the match
  Uuid conversation_id;                  ///< the conversation of the two agents
  Uuid outcome_id;                       ///< the outcome's row
  bool tracked = false;                  ///< whether they do
  std::optional<std::string> details{};  ///< what is known of it
  std::optional<Uuid> requested_by{};    ///< the principal who asked; missing when the pipeline did
};
BOOST_DESCRIBE_STRUCT(OutcomeCollaborationTracked, (),
                      (domain, match_id, conversation_id, outcome_id, tracked, details, requested_by))

inline Subjects subjects_of(OutcomeCollaborationTracked const& event, std::string_view) {
  return aliases({event.match_id, event.conversation_id});
}

std::optional<InvalidField> validate(OutcomeCollaborationTracked const& event);

}  // namespace omnibus
