#include "workers/conversation/guidance.hpp"

#include "matches/stored_score.hpp"

#include <algorithm>
#include <cstddef>
#include <tuple>

namespace omnibus::conversation {
namespace {

constexpr std::size_t most_insights = 3;

}  // namespace

std::vector<GuidingInsight> select_insights(std::vector<GuidingInsight> insights) {
  std::erase_if(insights, [](GuidingInsight const& each) { return each.advanced || each.type == "risk"; });
  std::ranges::sort(insights, [](GuidingInsight const& one, GuidingInsight const& other) {
    return std::tuple{-one.relevance, -one.score, one.id} < std::tuple{-other.relevance, -other.score, other.id};
  });
  if (insights.size() > most_insights) insights.resize(most_insights);
  return insights;
}

std::optional<std::string> alignment(std::span<GivenInsight const> given) {
  std::int64_t relevance = 0;
  std::int64_t reached = 0;  // in half extents
  for (auto const& each : given) {
    relevance += each.relevance;
    reached += each.relevance * static_cast<std::int64_t>(each.extent);
  }
  if (relevance == 0) return std::nullopt;
  return matches::StoredScore{matches::Ratio{reached, 2 * relevance}}.text();
}

}  // namespace omnibus::conversation
