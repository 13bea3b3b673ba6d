#include "handler/failure.hpp"
#include "items.hpp"

#include <limits>
#include <optional>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::telemetry;
using namespace omnibus::telemetry::test;

namespace {

constexpr std::string_view noon = "2026-11-20T12:00:00Z";

/// Why a call is refused, or nothing.
std::string refusal(LlmCall const& call) {
  auto const item = item_of(call, noon);
  try {
    read_call(item);
    return {};
  } catch (Failure const& failure) {
    CHECK(failure.kind() == Failure::Kind::permanent);
    return failure.error_class() + ": " + failure.what();
  }
}

std::string time_of(std::string_view event, std::string_view record) {
  auto item = item_of(a_call(), record);
  item.time_ms = *parse_time_ms(event);
  return format_time_ms(read_call(item).time_ms);
}

}  // namespace

TEST_CASE("a call is read with its cost to the billionth of a dollar") {
  auto call = a_call();
  call.cost_usd = "12.000000001";
  auto const completed = item_of(call, noon);
  CHECK(read_call(completed).cost_nano_usd == 12'000'000'001);
  CHECK(read_call(completed).success);
  auto const failed = item_of(call, noon, false);
  CHECK(!read_call(failed).success);
  CHECK(read_call(failed).error_type == "timeout");
}

TEST_CASE("a call counts when it happened, however late it comes") {
  CHECK(time_of("2026-11-20T12:00:00Z", "2026-11-20T12:00:01Z") == "2026-11-20T12:00:00Z");
  CHECK(time_of("2023-11-16T18:15:46.680Z", "2026-11-20T12:00:00Z") == "2023-11-16T18:15:46.680Z");
  CHECK(time_of("2026-11-20T13:00:00Z", "2026-11-20T12:00:00Z") == "2026-11-20T13:00:00Z");
}

TEST_CASE("a clock that cannot be right is not believed: the call counts when Kafka got it") {
  CHECK(time_of("0001-01-01T00:00:00Z", noon) == noon);
  CHECK(time_of("1970-01-01T00:00:00Z", noon) == noon);
  CHECK(time_of("9999-12-31T23:59:59Z", noon) == noon);
  CHECK(time_of("2026-11-22T00:00:00Z", noon) == noon);
}

TEST_CASE("without any sound clock a call is refused") {
  for (auto const ms : {std::numeric_limits<std::int64_t>::min(), std::int64_t{-1}, std::int64_t{253'402'300'800'000},
                        std::numeric_limits<std::int64_t>::max() - 86'400'000}) {
    auto item = item_of(a_call(), noon);
    item.time_ms = item.timestamp_ms = ms;
    CHECK_THROWS_AS(read_call(item), Failure);
  }
}

TEST_CASE("numbers that no call has are refused, so that no sum overflows") {
  CHECK(refusal(a_call()).empty());
  auto call = a_call();
  call.input_tokens = 1'000'000'001;
  CHECK(refusal(call) == "implausible: input_tokens is more than any call has");
  call = a_call();
  call.duration_ms = std::numeric_limits<std::int64_t>::max();
  CHECK(refusal(call) == "implausible: duration_ms is more than any call has");
  call = a_call();
  call.cost_usd = "999999999.999999999";
  CHECK(refusal(call) == "implausible: cost_usd is more than any call has");
  call = a_call();
  call.search_calls = 1'000'001;
  CHECK(refusal(call) == "implausible: search_calls is more than any call has");
  call = a_call();
  call.request_model = std::string(257, 'm');
  CHECK(refusal(call) == "implausible: request_model is too long");
}
