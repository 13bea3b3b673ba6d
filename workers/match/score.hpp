/// The opportunity score of a pair. Pure.
#pragma once

#include <string>
#include <string_view>

#include <boost/describe/class.hpp>

namespace omnibus::match {

/// The judgements that the score is made of, each from 0 to 1.
struct OpportunityParts {
  double fit = 0;          ///< what each seeks and the other offers
  double focus = 0;        ///< how close their current work is
  double value = 0;        ///< what could come of it
  double feasibility = 0;  ///< how easily they can begin
  double risk = 0;         ///< what speaks against it
};
BOOST_DESCRIBE_STRUCT(OpportunityParts, (), (fit, focus, value, feasibility, risk))

/// (0.35 fit + 0.20 focus + 0.25 value + 0.20 feasibility) x (1 - 0.5 risk) in hundredths, rounded half up. Computed in
/// decimals of the parts' shortest texts: four parts of 0.285 without risk give 29.
int opportunity_hundredths(OpportunityParts const& parts);

/// Whether a stored score reaches a threshold, compared in decimals.
bool reaches(int hundredths, double threshold);

/// What `omniscient_matches.score_parts` stores: the parts, their weights and the model that gave them.
std::string score_parts_json(OpportunityParts const& parts, std::string_view model);

}  // namespace omnibus::match
