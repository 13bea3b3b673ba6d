/// The insights that guide a turn, and how far the turn took them. Pure.
#pragma once

#include "uuid/uuid.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <boost/describe/class.hpp>

namespace omnibus::conversation {

/// An insight of the match that may guide the conversation.
struct GuidingInsight {
  Uuid id{};
  std::string type = {};
  std::string title = {};
  std::string description = {};
  std::int64_t relevance = 0;  ///< in hundredths
  std::int64_t score = 0;      ///< in hundredths
  bool advanced = false;       ///< by an earlier turn
};
BOOST_DESCRIBE_STRUCT(GuidingInsight, (), (id, type, title, description, relevance, score, advanced))

/// How far a turn took an insight.
enum class Extent : std::uint8_t { none, touched, advanced };

/// An insight that a turn was given.
struct GivenInsight {
  Uuid id{};
  std::int64_t relevance = 0;  ///< in hundredths
  Extent extent = Extent::none;
};

/// The most relevant insights that no turn has advanced, at most three. An agent is never given a risk.
std::vector<GuidingInsight> select_insights(std::vector<GuidingInsight> insights);

/// The turn's opportunity_alignment_score: the mean of the extents (none 0, touched 0.5, advanced 1) weighted by
/// relevance, a decimal rounded half up to two places; nothing without insights of any relevance.
std::optional<std::string> alignment(std::span<GivenInsight const> given);

}  // namespace omnibus::conversation
