/// How often one domain may ask.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace omnibus::gateway {

/// A token bucket per domain: `burst` requests at once, `per_second` in the long run. Not thread-safe: it belongs to
/// the event loop. Time is passed in.
class RateLimit {
 public:
  using Clock = std::chrono::steady_clock;

  /// A `per_second` of 0 admits everything. Buckets beyond `max_domains` push out those that are full again.
  RateLimit(double per_second, double burst, std::size_t max_domains = 10'000);

  /// Takes one request from the domain's bucket: nothing when it is admitted, else how long until the next one is.
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
