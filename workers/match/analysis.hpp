/// What a model is asked about a pair, and what it answers. Pure.
#pragma once

#include "events/match.hpp"
#include "llm/llm.hpp"
#include "text/invalid_field.hpp"
#include "workers/match/prediction.hpp"
#include "workers/match/score.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/describe/class.hpp>

namespace omnibus::match {

/// What a person tells of themselves.
struct PersonalStory {
  std::string narrative;
  std::string current_focus;
  std::vector<std::string> seeking_connections;
  std::vector<std::string> offering_expertise;
};
BOOST_DESCRIBE_STRUCT(PersonalStory, (), (narrative, current_focus, seeking_connections, offering_expertise))

/// An insight as a model states it.
struct AnalysedInsight {
  std::string type;
  std::string title;
  std::string description;
  double relevance = 0;
  double score = 0;
};
BOOST_DESCRIBE_STRUCT(AnalysedInsight, (), (type, title, description, relevance, score))

/// A model's answer about a pair.
struct PairAnalysis : OpportunityParts {
  static constexpr std::string_view form = "pair_analysis.v1";
  StatedProbabilities probabilities;
  std::string summary;
  std::string reasoning;
  std::vector<AnalysedInsight> insights;
};
BOOST_DESCRIBE_STRUCT(PairAnalysis, (OpportunityParts), (probabilities, summary, reasoning, insights))

std::optional<InvalidField> validate(PairAnalysis const& analysis);

/// The question. Both stories stand in it as one JSON document, without names, ids and addresses.
std::vector<llm::Message> analysis_prompt(PersonalStory const& a, PersonalStory const& b);

/// The insights as events and tables have them, without ids.
std::vector<MatchInsight> insights_of(PairAnalysis const& analysis);

}  // namespace omnibus::match
