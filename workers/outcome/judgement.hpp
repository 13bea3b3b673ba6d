/// What a model judges of a conversation.
#pragma once

#include "assistant/answer_form.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/describe/class.hpp>

namespace omnibus::outcome {

/// A turn that decided the outcome.
struct KeyMoment {
  std::int64_t turn = 0;
  std::string moment;
};
BOOST_DESCRIBE_STRUCT(KeyMoment, (), (turn, moment))

/// What the two people should do next.
struct NextStep {
  std::string step;
  std::string priority;  ///< high, medium or low
  std::string timeline;
};
BOOST_DESCRIBE_STRUCT(NextStep, (), (step, priority, timeline))

/// A model's answer, made from the transcript alone. The five answers are no, partly or yes.
struct OutcomeJudgement {
  static constexpr std::string_view form = "outcome_judgement.v1";
  std::string outcome;
  std::string interest_of_both, concrete_step, time_named, both_offer, nothing_in_the_way;
  std::string summary;
  std::vector<KeyMoment> key_moments;
  std::string analysis;
  std::vector<NextStep> next_steps;
  std::optional<std::string> follow_up_timeframe;
};
BOOST_DESCRIBE_STRUCT(OutcomeJudgement, (),
                      (outcome, interest_of_both, concrete_step, time_named, both_offer, nothing_in_the_way, summary,
                       key_moments, analysis, next_steps, follow_up_timeframe))

/// The form of the judgement of a conversation with this many turns: a key moment can only be one of them.
assistant::AnswerForm judgement_form(std::size_t turns);

}  // namespace omnibus::outcome
