#include "workers/telemetry/rollup.hpp"

#include <functional>
#include <utility>
#include <vector>

namespace omnibus::telemetry {
namespace {

constexpr std::int64_t quarter_ms = 15 * 60 * 1000;

std::int64_t bucket(std::int64_t time_ms, std::int64_t width_ms) {
  return time_ms - time_ms % width_ms;
}

}  // namespace

void Totals::add(Call const& call) {
  ++calls;
  failures += call.success ? 0 : 1;
  input_tokens += call.told->input_tokens;
  output_tokens += call.told->output_tokens;
  cost_nano_usd += call.cost_nano_usd;
  duration_sum_ms += call.told->duration_ms;
  searches += call.told->search_calls.value_or(0);
  zero_results += call.told->search_zero_results.value_or(0);
  durations.add(call.told->duration_ms);
}

void Totals::add(Totals const& other) {
  calls += other.calls;
  failures += other.failures;
  input_tokens += other.input_tokens;
  output_tokens += other.output_tokens;
  cost_nano_usd += other.cost_nano_usd;
  duration_sum_ms += other.duration_sum_ms;
  searches += other.searches;
  zero_results += other.zero_results;
  durations.add(other.durations);
}

std::size_t RollupKeyHash::operator()(RollupKey const& key) const noexcept {
  std::hash<std::string_view> const text;
  auto hash = static_cast<std::size_t>(key.bucket_start_ms) + (key.daily ? 1 : 0);
  for (auto const part : {text(key.domain), text(key.provider), text(key.model)})
    hash = (hash ^ part) * 0x9e3779b97f4a7c15ULL;
  return hash;
}

void Rollups::add(Call const& call) {
  auto const& told = *call.told;
  by_model_[{false, bucket(call.time_ms, quarter_ms), told.domain, told.provider, told.request_model}].add(call);
}

void Rollups::derive() {
  std::vector<std::pair<RollupKey, Totals const*>> quarters;
  quarters.reserve(by_model_.size());
  for (auto const& [key, totals] : by_model_) quarters.emplace_back(key, &totals);  // its rows stay where they are
  for (auto const& [key, totals] : quarters) {
    auto const day = bucket(key.bucket_start_ms, day_ms);
    by_model_[{true, day, key.domain, key.provider, key.model}].add(*totals);
    by_domain_[{false, key.bucket_start_ms, key.domain}].add(*totals);
    by_domain_[{true, day, key.domain}].add(*totals);
    all_[{false, key.bucket_start_ms}].add(*totals);
    all_[{true, day}].add(*totals);
  }
}

}  // namespace omnibus::telemetry
