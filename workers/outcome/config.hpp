/// The settings of the outcome worker.
#pragma once

#include "assistant/settings.hpp"
#include "config/config.hpp"

#include <array>
#include <cstdint>
#include <string_view>

#include <boost/describe/class.hpp>

namespace omnibus::outcome {

struct OutcomeSettings : assistant::ModelSettings {
  double follow_up_min = 0.6;
  std::int32_t judgement_tokens = 1500;

  static constexpr std::string_view prefix = "";
  static constexpr std::array docs{
      config::Doc{"follow_up_min", "From this readiness on, the two people are recommended to meet", 0, 1},
      config::Doc{"judgement_tokens", "Longest judgement asked for, in tokens", 1, 1'000'000},
  };
};
BOOST_DESCRIBE_STRUCT(OutcomeSettings, (assistant::ModelSettings), (follow_up_min, judgement_tokens))

}  // namespace omnibus::outcome
