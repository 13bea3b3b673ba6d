#include "workers/telemetry/call.hpp"

#include "handler/failure.hpp"

#include <initializer_list>
#include <string>
#include <utility>

namespace omnibus::telemetry {
namespace {

constexpr std::int64_t furthest_back_ms = 3'653 * day_ms;
constexpr std::int64_t most_tokens = 1'000'000'000;
constexpr std::int64_t most_steps = 1'000'000;
constexpr std::int64_t most_nano_usd = 100'000'000'000'000;     // 100,000 dollars: 90,000 such calls fit into a sum
constexpr std::int64_t last_time_ms = 253'402'300'800'000 - 1;  // the end of the year 9999
constexpr std::size_t longest_text = 256;                       // keeps every key within PostgreSQL's limit

Failure implausible(std::string_view field) {
  return Failure::permanent(std::string{field} + " is more than any call has", "implausible");
}

void check_numbers(LlmCall const& call) {
  for (auto const& [field, value, most] : std::initializer_list<std::tuple<char const*, std::int64_t, std::int64_t>>{
           {"input_tokens", call.input_tokens, most_tokens},
           {"output_tokens", call.output_tokens, most_tokens},
           {"cached_input_tokens", call.cached_input_tokens, most_tokens},
           {"reasoning_tokens", call.reasoning_tokens, most_tokens},
           {"duration_ms", call.duration_ms, day_ms},
           {"ttft_ms", call.ttft_ms.value_or(0), day_ms},
           {"iterations", call.iterations.value_or(0), most_steps},
           {"tool_calls", call.tool_calls.value_or(0), most_steps},
           {"search_calls", call.search_calls.value_or(0), most_steps},
           {"search_zero_results", call.search_zero_results.value_or(0), most_steps},
       })
    if (value > most) throw implausible(field);
}

void check_texts(LlmCall const& call, std::string_view error_type) {
  for (auto const& [field, text] : std::initializer_list<std::pair<char const*, std::string_view>>{
           {"domain", call.domain},
           {"worker", call.worker},
           {"operation", call.operation},
           {"provider", call.provider},
           {"request_model", call.request_model},
           {"response_model", call.response_model},
           {"finish_reason", call.finish_reason},
           {"fallback_from", call.fallback_from ? std::string_view{*call.fallback_from} : std::string_view{}},
           {"error_type", error_type},
       })
    if (text.size() > longest_text) throw Failure::permanent(std::string{field} + " is too long", "implausible");
}

/// Of a decimal with nine places, which validate() has seen to.
std::int64_t nano_usd(std::string_view decimal) {
  std::int64_t nano = 0;
  for (auto const c : decimal)
    if (c != '.') nano = nano * 10 + (c - '0');
  return nano;
}

std::int64_t time_of(Item const& item) {
  auto const written = item.timestamp_ms;
  auto const believed = written < 0 || (item.time_ms <= written + day_ms && item.time_ms >= written - furthest_back_ms);
  auto const time = believed ? item.time_ms : written;
  if (time < 0 || time > last_time_ms)
    throw Failure::permanent("its time is outside the range that telemetry stores", "clock");
  return time;
}

}  // namespace

Call read_call(Item const& item) {
  auto const* const failed = std::get_if<LlmCallFailed>(&item.event);
  auto const* const told =
      failed != nullptr ? static_cast<LlmCall const*>(failed) : &std::get<LlmCallCompleted>(item.event);
  Call const call{told, failed == nullptr,
                  failed != nullptr ? std::string_view{failed->error_type} : std::string_view{}, time_of(item),
                  nano_usd(told->cost_usd)};
  check_numbers(*told);
  check_texts(*told, call.error_type);
  if (call.cost_nano_usd > most_nano_usd) throw implausible("cost_usd");
  return call;
}

}  // namespace omnibus::telemetry
