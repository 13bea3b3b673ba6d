#include "workers/gateway/door/rate_limit.hpp"

#include <algorithm>
#include <cmath>

namespace omnibus::gateway {

RateLimit::RateLimit(double per_second, double burst, std::size_t max_domains)
    : per_second_(per_second), burst_(std::max(burst, 1.0)), max_domains_(max_domains) {}

double RateLimit::level(Bucket const& bucket, Clock::time_point now) const {
  auto const seconds = std::chrono::duration<double>(now - bucket.filled).count();
  return std::min(burst_, bucket.tokens + std::max(seconds, 0.0) * per_second_);
}

void RateLimit::drop_full(Clock::time_point now) {
  std::erase_if(buckets_, [&](auto const& entry) { return level(entry.second, now) >= burst_; });
}

std::optional<std::chrono::milliseconds> RateLimit::acquire(std::string_view domain, Clock::time_point now) {
  if (per_second_ <= 0) return std::nullopt;
  auto found = buckets_.find(std::string(domain));
  if (found == buckets_.end()) {
    if (buckets_.size() >= max_domains_) drop_full(now);
    found = buckets_.emplace(std::string(domain), Bucket{burst_, now}).first;
  }
  auto& bucket = found->second;
  bucket.tokens = level(bucket, now);
  bucket.filled = now;
  if (bucket.tokens >= 1) {
    bucket.tokens -= 1;
    return std::nullopt;
  }
  auto const wait = std::ceil((1 - bucket.tokens) / per_second_ * 1000);
  return std::chrono::milliseconds(static_cast<std::int64_t>(wait));
}

}  // namespace omnibus::gateway
