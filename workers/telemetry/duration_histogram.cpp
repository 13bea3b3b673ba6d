#include "workers/telemetry/duration_histogram.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace omnibus::telemetry {
namespace {

constexpr double log_of_factor = 0.10008345855698253;  // ln(21/19)

}  // namespace

int DurationHistogram::bucket_of(std::int64_t ms) {
  return static_cast<int>(std::ceil(std::log(static_cast<double>(std::max<std::int64_t>(ms, 1))) / log_of_factor));
}

void DurationHistogram::add(int bucket, std::int32_t count) {
  if (counts_.empty()) lowest_ = bucket;
  if (bucket < lowest_) {
    counts_.insert(counts_.begin(), static_cast<std::size_t>(lowest_ - bucket), 0);
    lowest_ = bucket;
  }
  auto const place = static_cast<std::size_t>(bucket - lowest_);
  if (place >= counts_.size()) counts_.resize(place + 1);
  counts_[place] += count;
}

void DurationHistogram::add(DurationHistogram const& other) {
  auto bucket = other.lowest_;
  for (auto const count : other.counts_) {
    if (count > 0) add(bucket, count);
    ++bucket;
  }
}

std::string DurationHistogram::to_array() const {
  if (counts_.empty()) return "{}";
  return fmt::format("[{}:{}]={{{}}}", lowest_, lowest_ + std::ssize(counts_) - 1, fmt::join(counts_, ","));
}

}  // namespace omnibus::telemetry
