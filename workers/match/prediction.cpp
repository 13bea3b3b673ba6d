#include "workers/match/prediction.hpp"

#include "workers/match/decimal.hpp"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

namespace omnibus::match {
namespace {

/// In the order of `outcomes`.
std::array<Decimal, outcomes.size()> decimals(StatedProbabilities const& stated) {
  return {exact_decimal(stated.no_match), exact_decimal(stated.future_potential), exact_decimal(stated.exploratory),
          exact_decimal(stated.strong_match)};
}

Decimal sum(std::array<Decimal, outcomes.size()> const& values) {
  return std::accumulate(values.begin(), values.end(), Decimal{0});
}

std::string six_places(int millionths) {
  return fmt::format("{}.{:06}", millionths / 1'000'000, millionths % 1'000'000);
}

}  // namespace

std::optional<InvalidField> validate(StatedProbabilities const& stated) {
  auto const total = sum(decimals(stated));
  if (total < Decimal{"0.9"} || total > Decimal{"1.1"}) return InvalidField{"probabilities", "must have a sum of 1"};
  return std::nullopt;
}

Prediction::Prediction(StatedProbabilities const& stated) {
  auto const values = decimals(stated);
  auto const total = sum(values);
  for (std::size_t i = 0; i < values.size(); ++i) millionths_[i] = round_half_up(values[i] * 1'000'000 / total);
  // What rounding took away, at most two millionths, goes to the weakest of the largest, and what it added is taken
  // from the strongest of them: of equal ones the weaker stays the largest.
  auto const remainder = 1'000'000 - std::accumulate(millionths_.begin(), millionths_.end(), 0);
  auto const largest = *std::max_element(millionths_.begin(), millionths_.end());
  if (remainder < 0)
    *std::find(millionths_.rbegin(), millionths_.rend(), largest) += remainder;
  else
    *std::find(millionths_.begin(), millionths_.end(), largest) += remainder;
}

std::string_view Prediction::outcome() const {
  auto const largest =
      std::max_element(millionths_.begin(), millionths_.end());  // the first, so the weakest, of equals
  return outcomes[static_cast<std::size_t>(largest - millionths_.begin())];
}

std::string Prediction::json() const {
  std::string text;
  for (std::size_t i = outcomes.size(); i-- > 0;)
    text += fmt::format("{}\"{}\":{}", text.empty() ? "{" : ",", outcomes[i], six_places(millionths_[i]));
  return text + "}";
}

}  // namespace omnibus::match
