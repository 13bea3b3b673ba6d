#include "events/llm.hpp"

#include <doctest/doctest.h>

using namespace omnibus;

namespace {

std::string broken_field(LlmCall const& call) {
  auto const invalid = validate(call);
  return invalid ? invalid->field : "";
}

}  // namespace

TEST_CASE("counts and durations are not negative") {
  CHECK(broken_field(LlmCallCompleted()) == "");
  LlmCallFailed call;
  call.ttft_ms = -1;
  CHECK(broken_field(call) == "ttft_ms");
  call.ttft_ms = 0;
  call.reasoning_tokens = -1;
  CHECK(broken_field(call) == "reasoning_tokens");
}

TEST_CASE("a cost is a decimal with nine places") {
  LlmCall call;
  for (auto const* cost : {"0.000000000", "0.000012345", "123456789.123456789"}) {
    call.cost_usd = cost;
    CHECK_MESSAGE(broken_field(call) == "", cost);
  }
  for (auto const* cost :
       {"", "0", "0.1", ".000000000", "-0.000000001", "1234567890.000000000", "0.00000000x", "1e-9"}) {
    call.cost_usd = cost;
    CHECK_MESSAGE(broken_field(call) == "cost_usd", cost);
  }
}
