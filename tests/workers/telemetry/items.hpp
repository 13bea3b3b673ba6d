/// Calls of models, made up.
#pragma once

#include "time/time.hpp"
#include "workers/telemetry/call.hpp"

#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

namespace omnibus::telemetry::test {

inline LlmCall a_call() {
  LlmCall call;
  call.call_id = random_uuid();
  call.domain = "shop.example";
  call.conversation_id = random_uuid();
  call.worker = "chat";
  call.operation = "chat";
  call.provider = "openai";
  call.request_model = "gpt-4o-mini";
  call.response_model = "gpt-4o-mini-2024-07-18";
  call.input_tokens = 400;
  call.output_tokens = 50;
  call.cost_usd = "0.000090000";
  call.duration_ms = 1'200;
  call.finish_reason = "stop";
  return call;
}

inline Item item_of(LlmCall const& call, std::string_view time, bool success = true) {
  Item item{};
  if (success) {
    static_cast<LlmCall&>(item.event.emplace<LlmCallCompleted>()) = call;
  } else {
    auto& failed = item.event.emplace<LlmCallFailed>();
    static_cast<LlmCall&>(failed) = call;
    failed.error_type = "timeout";
  }
  item.timestamp_ms = item.time_ms = parse_time_ms(time).value_or(0);
  return item;
}

/// Calls of several domains and models over some three days, some of them failed, at times in no order.
inline std::vector<Item> some_items(std::mt19937& random, std::size_t count) {
  auto const pick = [&](int most) { return static_cast<int>(random() % static_cast<unsigned>(most)); };
  std::lognormal_distribution<double> durations{7.0, 1.2};
  auto const start = *parse_time_ms("2026-11-17T22:10:00Z");
  std::vector<Item> items;
  for (std::size_t i = 0; i < count; ++i) {
    auto call = a_call();
    call.domain = fmt::format("tenant-{}.example", pick(5));
    call.provider = pick(4) == 0 ? "anthropic" : "openai";
    call.request_model = fmt::format("model \"{}\" \\, {{}}", pick(3));
    call.input_tokens = pick(5'000);
    call.output_tokens = pick(900);
    call.cost_usd = fmt::format("0.{:09}", pick(900'000'000));
    call.duration_ms = static_cast<std::int64_t>(durations(random));
    if (pick(3) == 0) {
      call.search_calls = pick(4);
      call.search_zero_results = pick(2);
    }
    items.push_back(item_of(call, "2026-11-20T10:00:00Z", pick(10) != 0));
    items.back().time_ms = start + std::int64_t{pick(3 * 86'400)} * 1000 + pick(1000);
  }
  return items;
}

}  // namespace omnibus::telemetry::test
