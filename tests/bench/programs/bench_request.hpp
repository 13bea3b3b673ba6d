/// What a model is asked, by the engine and by the clients it is held against.
#pragma once

#include "llm/llm.hpp"

#include <chrono>
#include <string>

namespace omnibus::bench {

/// Thousands of connections to a simulator on the same cores take their time.
inline constexpr std::chrono::seconds longest_connect{30};

inline llm::ChatRequest bench_request() {
  llm::ChatRequest request;
  request.model = "omnibus-small";
  request.messages.reserve(2);
  request.messages.push_back({"system", std::string(400, 'i')});
  request.messages.push_back({"user", "When will the card that I ordered last week arrive?"});
  return request;
}

}  // namespace omnibus::bench
