/// When schedules are due. Pure; all times are in ms since 1970, in UTC, where every day has 24 hours.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace omnibus::scheduler {

/// The due times of a schedule: `phase_ms` plus the multiples of `period_ms`.
struct Recurrence {
  std::int64_t period_ms = 0;
  std::int64_t phase_ms = 0;

  bool operator==(Recurrence const&) const = default;
};

/// Due at the multiples of a period. Nothing unless it is positive.
std::optional<Recurrence> recurring_every(std::int64_t period_ms);

/// Due daily at a time such as `02:00`, or weekly at one such as `Sun 03:00`. Nothing for another text.
std::optional<Recurrence> recurring_at(std::string_view text);

/// The first due time after `moment`.
std::int64_t next_due(Recurrence const& recurrence, std::int64_t moment);

/// One tick for all due times from `planned` to `now`.
struct DueTick {
  std::int64_t due_ms = 0;   ///< the last one of them
  std::int64_t missed = 0;   ///< the number of earlier ones
  std::int64_t next_ms = 0;  ///< the first due time after `now`

  bool operator==(DueTick const&) const = default;
};

/// `planned` may be a time that an operator chose, between two due times: it is then due itself. `planned` <= `now`.
DueTick tick_until(Recurrence const& recurrence, std::int64_t planned, std::int64_t now);

}  // namespace omnibus::scheduler
