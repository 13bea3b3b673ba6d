/// How many requests the simulator answers at once.
#pragma once

#include <algorithm>
#include <cstdint>

namespace omnibus::simulator {

/// Counts a request while it lives: in `now`, and in `most` when there were never more. Both must outlive it.
class InFlight {
 public:
  InFlight(std::uint64_t& now, std::uint64_t& most) : now_(now) { most = std::max(most, ++now_); }
  ~InFlight() { --now_; }
  InFlight(InFlight const&) = delete;
  InFlight& operator=(InFlight const&) = delete;

 private:
  std::uint64_t& now_;
};

}  // namespace omnibus::simulator
