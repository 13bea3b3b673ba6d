#include "workers/outcome/deviation.hpp"

#include "workers/outcome/scores.hpp"

#include <cstdlib>

#include <fmt/format.h>

namespace omnibus::outcome {

std::string describe_deviation(std::string_view predicted, std::string_view judged, std::string_view actual) {
  auto const difference = strength(actual) - strength(predicted);
  auto text = difference == 0 ? fmt::format("{} was predicted, and that is the outcome.", predicted)
                              : fmt::format("{} was predicted, the outcome is {}: {} {} {} than predicted.", predicted,
                                            actual, std::abs(difference), std::abs(difference) == 1 ? "step" : "steps",
                                            difference > 0 ? "stronger" : "weaker");
  if (judged != actual)
    text += fmt::format(" It was judged as {}, which so short or repetitive a conversation cannot show.", judged);
  return text;
}

}  // namespace omnibus::outcome
