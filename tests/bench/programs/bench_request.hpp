/// What a model is asked, by the engine and by the clients it is held against.
#pragma once

#include "llm/llm.hpp"

#include <string>

namespace omnibus::bench {

inline llm::ChatRequest bench_request() {
  llm::ChatRequest request;
  request.model = "omnibus-small";
  request.messages = {{"system", std::string(400, 'i')},
                      {"user", "When will the card that I ordered last week arrive?"}};
  return request;
}

}  // namespace omnibus::bench
