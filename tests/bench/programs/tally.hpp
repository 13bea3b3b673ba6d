/// What a run of the engine has handled.
#pragma once

#include "engine_run.hpp"
#include "order_check.hpp"
#include "span.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <utility>

namespace omnibus::bench {

/// Counts what was handled, and what of it was right. With several loops it is locked.
class Tally {
 public:
  /// @param done called on the loop that handled the last one
  Tally(std::uint64_t records, bool several_loops, std::function<void()> done)
      : records_{records},
        locks_{several_loops},
        span_{records},
        order_{static_cast<std::size_t>(std::min<std::uint64_t>(records, 1'000'000))},
        done_{std::move(done)} {}

  /// Begun and ended in one go.
  void handled(std::uint64_t key, std::uint32_t number) {
    auto const lock = locked();
    span_.begin();
    order_.handled(key, number);
    count();
  }
  void begin(std::uint64_t key, std::uint32_t number) {
    auto const lock = locked();
    span_.begin();
    order_.begin(key, number);
  }
  void end(std::uint64_t key, std::uint32_t number) {
    auto const lock = locked();
    order_.end(key, number);
    count();
  }
  std::uint64_t handled_records() const {
    auto const lock = locked();
    return span_.counted();
  }
  bool second_half() const { return handled_records() > records_ / 2; }

  void report(EngineRun& run) {
    run.records = std::min(span_.counted(), records_);  // what was in flight besides ends while it stops
    run.rate = span_.rate();
    run.steady_rate = span_.steady_rate();
    run.cpu_seconds = span_.cpu_seconds();
    run.order = order_.findings();
    // Those at the end of a key as well, behind which no later one shows a gap.
    run.order.missing = std::max(run.order.missing, records_ - run.records);
  }

 private:
  std::unique_lock<std::mutex> locked() const {
    return locks_ ? std::unique_lock{mutex_} : std::unique_lock<std::mutex>{};
  }
  void count() {
    if (span_.count()) done_();
  }

  std::uint64_t const records_;
  bool const locks_;
  mutable std::mutex mutex_;
  Span span_;
  OrderCheck order_;
  std::function<void()> done_;
};

}  // namespace omnibus::bench
