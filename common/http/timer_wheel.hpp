/// Many deadlines with one timer. Pure: the time is passed in.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include <boost/intrusive/list.hpp>

namespace omnibus::http {

/// A deadline, as a member or a base of the object that expires. Leaves its wheel when it is destroyed.
struct WheelEntry : boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
  std::chrono::steady_clock::time_point deadline;
};

/// Keeps entries by the tick in which they expire; setting and leaving cost O(1), allocate nothing, and use no timer of
/// the operating system. Expiry is late by at most one tick. Not thread-safe.
class TimerWheel {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds tick{10};

  explicit TimerWheel(Clock::time_point now) : turned_(tick_of(now)) {}

  /// Sets or moves an entry's deadline. The caller keeps ownership of the entry.
  void set(WheelEntry& entry, Clock::time_point deadline) {
    entry.unlink();
    entry.deadline = deadline;
    auto const at = std::max(tick_of(deadline) + 1, turned_ + 1);
    slots_[at % slots_.size()].push_back(entry);
  }
  static void clear(WheelEntry& entry) { entry.unlink(); }

  /// Removes every entry whose deadline has passed and calls `expired` with it. The callback may set, clear
  /// and destroy any entry.
  template <class Expired>
  void turn(Clock::time_point now, Expired&& expired) {
    auto const target = tick_of(now);
    auto const from = target - turned_ > slots_.size() ? target - slots_.size() : turned_;
    for (auto at = from + 1; at <= target; ++at) {
      turned_ = at;
      Slot due;
      due.swap(slots_[at % slots_.size()]);
      while (!due.empty()) {
        auto& entry = due.front();
        if (entry.deadline > now) {
          set(entry, entry.deadline);
          continue;
        }
        entry.unlink();
        expired(entry);
      }
    }
  }

 private:
  using Slot = boost::intrusive::list<WheelEntry, boost::intrusive::constant_time_size<false>>;
  static std::uint64_t tick_of(Clock::time_point time) {
    return static_cast<std::uint64_t>(time.time_since_epoch() / tick);
  }
  std::array<Slot, 1024> slots_;
  std::uint64_t turned_;
};

}  // namespace omnibus::http
