#include "workers/match/score.hpp"

#include "json/encode.hpp"
#include "workers/match/decimal.hpp"

namespace omnibus::match {
namespace {

/// How much each part counts; risk takes away.
struct ScoreWeights {
  double fit = 0.35;
  double focus = 0.20;
  double value = 0.25;
  double feasibility = 0.20;
  double risk = 0.5;
};
BOOST_DESCRIBE_STRUCT(ScoreWeights, (), (fit, focus, value, feasibility, risk))

constexpr ScoreWeights weights;

struct StoredParts : OpportunityParts {
  ScoreWeights weights;
  std::string model;
};
BOOST_DESCRIBE_STRUCT(StoredParts, (OpportunityParts), (weights, model))

Decimal weighted(double weight, double part) {
  return exact_decimal(weight) * exact_decimal(part);
}

}  // namespace

int opportunity_hundredths(OpportunityParts const& parts) {
  auto const chance = weighted(weights.fit, parts.fit) + weighted(weights.focus, parts.focus) +
                      weighted(weights.value, parts.value) + weighted(weights.feasibility, parts.feasibility);
  return round_half_up(100 * chance * (1 - weighted(weights.risk, parts.risk)));
}

bool reaches(int hundredths, double threshold) {
  return hundredths >= 100 * exact_decimal(threshold);
}

std::string score_parts_json(OpportunityParts const& parts, std::string_view model) {
  return json::encode(StoredParts{parts, weights, std::string{model}});
}

}  // namespace omnibus::match
