/// The settings of the match worker.
#pragma once

#include "assistant/settings.hpp"
#include "config/config.hpp"

#include <array>
#include <chrono>
#include <cstdint>

#include <boost/describe/class.hpp>

namespace omnibus::match {

struct MatchSettings : assistant::ModelSettings {
  std::int32_t match_batch_size = 200;
  double match_schedule_threshold = 0.7;
  std::int32_t match_attempts = 3;
  std::chrono::milliseconds match_rematch_after{std::chrono::hours{24 * 90}};
  std::int32_t match_max_per_person = 20;
  std::int32_t match_answer_tokens = 2000;

  static constexpr std::string_view prefix = "";
  static constexpr std::array docs{
      config::Doc{"match_batch_size", "Pairs that a batch requests at most, unless the request says how many", 1, 5000},
      config::Doc{"match_schedule_threshold", "A match with at least this opportunity score is scheduled", 0, 1},
      config::Doc{"match_attempts", "Conversations of a match that may fail; then it is cancelled", 1, 100},
      config::Doc{"match_rematch_after",
                  "After a match of two people ended, a batch does not match them again for this time, unless one "
                  "of them changes their story",
                  0, 315'360'000},
      config::Doc{"match_max_per_person", "New matches that one batch gives one person at most", 1, 1000},
      config::Doc{"match_answer_tokens", "Longest analysis of a pair asked for, in tokens", 1, 1'000'000},
  };
};
BOOST_DESCRIBE_STRUCT(MatchSettings, (assistant::ModelSettings),
                      (match_batch_size, match_schedule_threshold, match_attempts, match_rematch_after,
                       match_max_per_person, match_answer_tokens))

}  // namespace omnibus::match
