/// The changes that a batch of calls makes to the rollups.
#pragma once

#include "workers/telemetry/call.hpp"
#include "workers/telemetry/duration_histogram.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace omnibus::telemetry {

/// The sums of some calls.
struct Totals {
  std::int64_t calls = 0;
  std::int64_t failures = 0;
  std::int64_t input_tokens = 0;
  std::int64_t output_tokens = 0;
  std::int64_t cost_nano_usd = 0;
  std::int64_t duration_sum_ms = 0;
  std::int64_t searches = 0;
  std::int64_t zero_results = 0;
  DurationHistogram durations;

  void add(Call const& call);
  void add(Totals const& other);
};

/// A row of a rollup table. Rows of all calls have no domain; rows by domain have no provider and model.
struct RollupKey {
  bool daily;  ///< else of 15 minutes
  std::int64_t bucket_start_ms;
  std::string_view domain{};
  std::string_view provider{};
  std::string_view model{};

  bool operator==(RollupKey const&) const = default;
};

struct RollupKeyHash {
  std::size_t operator()(RollupKey const& key) const noexcept;
};

using Rollup = std::unordered_map<RollupKey, Totals, RollupKeyHash>;

/// The rows of the three tables that the calls change. Refers to the calls' texts.
class Rollups {
 public:
  template <class Calls>
  explicit Rollups(Calls const& calls) {
    for (auto const& call : calls) add(call);
    derive();
  }
  /// From the rows of 15 minutes by model.
  explicit Rollups(Rollup quarters) : by_model_{std::move(quarters)} { derive(); }

  Rollup const& all() const { return all_; }
  Rollup const& by_domain() const { return by_domain_; }
  Rollup const& by_model() const { return by_model_; }

 private:
  void add(Call const& call);
  void derive();

  Rollup by_model_;
  Rollup by_domain_;
  Rollup all_;
};

}  // namespace omnibus::telemetry
