#include "call_sums.hpp"

#include "workers/telemetry/store.hpp"

#include <utility>

#include <pqxx/pqxx>

namespace omnibus::bench {
namespace {

constexpr std::int64_t quarter_ms = 15 * 60 * 1000;

std::int64_t nano_usd(std::string_view decimal) {
  std::int64_t nano = 0;
  for (auto const c : decimal)
    if (c != '.') nano = nano * 10 + (c - '0');
  return nano;
}

}  // namespace

void CallSums::add(simdjson::ondemand::document& call, std::int64_t time_ms) {
  telemetry::RollupKey key{false, time_ms - time_ms % quarter_ms};
  key.domain = call["domain"].get_string();
  key.provider = call["provider"].get_string();
  key.model = call["request_model"].get_string();
  auto row = changed_.find(key);
  if (row == changed_.end()) {
    key.domain = keep(key.domain);
    key.provider = keep(key.provider);
    key.model = keep(key.model);
    row = changed_.try_emplace(key).first;
  }
  auto& totals = row->second;
  ++totals.calls;
  totals.input_tokens += call["input_tokens"].get_int64();
  totals.output_tokens += call["output_tokens"].get_int64();
  totals.cost_nano_usd += nano_usd(call["cost_usd"].get_string());
  std::int64_t const duration = call["duration_ms"].get_int64();
  totals.duration_sum_ms += duration;
  totals.durations.add(duration);
  ++calls_;
}

void CallSums::upsert(pqxx::connection& connection) {
  if (changed_.empty()) return;
  pqxx::work transaction{connection};
  telemetry::add_rollups(transaction, telemetry::Rollups{std::exchange(changed_, {})});
  transaction.commit();
  texts_.clear();
}

}  // namespace omnibus::bench
