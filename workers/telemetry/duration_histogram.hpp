#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace omnibus::telemetry {

/// Counts durations in buckets that grow by a constant factor, so that a quantile is within 5 % of the true one and
/// histograms are merged by adding. Same as pipeline.duration_bucket in PostgreSQL, which names the source.
class DurationHistogram {
 public:
  static constexpr double relative_error = 0.05;

  /// The bucket of a duration: the least i with (21/19)^i >= ms. Durations below 1 ms count as 1 ms.
  static int bucket_of(std::int64_t ms);

  void add(std::int64_t ms) { add(bucket_of(ms), 1); }
  void add(DurationHistogram const& other);

  /// As an int[] of PostgreSQL whose subscripts are the bucket numbers: `[57:59]={1,0,4}`.
  std::string to_array() const;

 private:
  void add(int bucket, std::int32_t count);

  int lowest_ = 0;
  std::vector<std::int32_t> counts_;
};

}  // namespace omnibus::telemetry
