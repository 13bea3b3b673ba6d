/// Limits the requests of a domain.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace omnibus::gateway {

/// A token bucket per domain: `burst` requests at once, `per_second` on average. Not thread-safe: use it on
/// the event loop only. Time is passed in.
class RateLimit {
 public:
  using Clock = std::chrono::steady_clock;

  /// A `per_second` of 0 admits everything. Above `max_domains`, full buckets are removed.
  RateLimit(double per_second, double burst, std::size_t max_domains = 10'000);

  /// Takes one request from the domain's bucket: nothing when it is admitted, else the wait until the next one is.
  std::optional<std::chrono::milliseconds> acquire(std::string_view domain, Clock::time_point now);

 private:
  struct Bucket {
    double tokens;
    Clock::time_point filled;
  };
  double level(Bucket const& bucket, Clock::time_point now) const;
  void drop_full(Clock::time_point now);

  double per_second_;
  double burst_;
  std::size_t max_domains_;
  std::unordered_map<std::string, Bucket> buckets_;
};

}  // namespace omnibus::gateway
