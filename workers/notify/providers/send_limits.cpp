#include "workers/notify/providers/send_limits.hpp"

#include <algorithm>
#include <functional>

namespace omnibus::notify {

SendLimits::Place SendLimits::of_recipient(std::string_view recipient, Clock::time_point now) {
  if (settings_.recipient_interval.count() <= 0) return {true, {}};
  std::scoped_lock const lock{mutex_};
  auto const hash = std::hash<std::string_view>{}(recipient);
  auto found = recipients_.find(hash);
  if (found == recipients_.end()) {
    forget_past(now);
    if (recipients_.size() >= settings_.max_recipients) return {false, settings_.recipient_interval};
    found = recipients_.emplace(hash, now).first;
  }
  auto const place = std::max(found->second, now);
  if (place - now > settings_.longest_wait) return {false, place - now};
  found->second = place + settings_.recipient_interval;
  return {true, place - now};
}

SendLimits::Place SendLimits::of_provider(Clock::time_point now) {
  if (settings_.per_second <= 0) return {true, {}};
  std::scoped_lock const lock{mutex_};
  auto const interval =
      std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(1 / settings_.per_second));
  auto const slack = interval * static_cast<Clock::rep>(std::max<std::size_t>(settings_.burst, 1) - 1);
  auto const place = std::max(next_ - slack, now);
  if (place - now > settings_.longest_wait) return {false, place - now};
  next_ = std::max(next_, now) + interval;
  return {true, place - now};
}

std::size_t SendLimits::recipients() const {
  std::scoped_lock const lock{mutex_};
  return recipients_.size();
}

// So rarely that its cost per call stays constant.
void SendLimits::forget_past(Clock::time_point now) {
  auto const full = recipients_.size() >= settings_.max_recipients && now - swept_ > settings_.recipient_interval / 8;
  if (recipients_.size() < sweep_at_ && !full) return;
  std::erase_if(recipients_, [&](auto const& entry) { return entry.second <= now; });
  sweep_at_ = std::max<std::size_t>(1024, 2 * recipients_.size());
  swept_ = now;
}

}  // namespace omnibus::notify
