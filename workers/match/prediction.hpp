/// What a match's conversation is predicted to come to. Pure.
#pragma once

#include "text/invalid_field.hpp"

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <boost/describe/class.hpp>

namespace omnibus::match {

/// The values of `omniscient_outcome`, the weakest first.
inline constexpr std::array<std::string_view, 4> outcomes{"NO_MATCH", "FUTURE_POTENTIAL", "EXPLORATORY",
                                                          "STRONG_MATCH"};

/// The probabilities of the outcomes as a model states them.
struct StatedProbabilities {
  double strong_match = 0;
  double exploratory = 0;
  double future_potential = 0;
  double no_match = 0;
};
BOOST_DESCRIBE_STRUCT(StatedProbabilities, (), (strong_match, exploratory, future_potential, no_match))

/// Their sum must be 0.9 to 1.1, computed in decimals.
std::optional<InvalidField> validate(StatedProbabilities const& stated);

/// Probabilities as they are stored.
class Prediction {
 public:
  /// Scales the stated ones to the sum 1, with six places each. @param stated valid
  explicit Prediction(StatedProbabilities const& stated);

  /// The most probable outcome; of equal ones the weaker.
  std::string_view outcome() const;
  /// `omniscient_matches.predicted_probabilities`: the probability of each outcome by its name.
  std::string json() const;

 private:
  std::array<int, outcomes.size()> millionths_{};  ///< in the order of `outcomes`
};

}  // namespace omnibus::match
