#include "workers/notify/config.hpp"

#include <stdexcept>

#include <fmt/format.h>

namespace omnibus::notify {
namespace {

// The rest of the lease, after the sending was recorded, must be long enough for the sending.
constexpr std::chrono::milliseconds to_write_down{1'000};

}  // namespace

void check(NotifySettings const& settings, std::uint32_t max_attempts) {
  check(static_cast<SpendLimitSettings const&>(settings));
  if (static_cast<std::uint32_t>(settings.send_max_attempts) >= max_attempts)
    throw std::invalid_argument{
        fmt::format("a request would be given up before its messages have ended: SEND_MAX_ATTEMPTS ({}) must be less "
                    "than MAX_ATTEMPTS ({})",
                    settings.send_max_attempts, max_attempts)};
  if (settings.claim_lease < settings.send.deadline + to_write_down)
    throw std::invalid_argument{
        fmt::format("another worker would take over what is being sent: CLAIM_LEASE ({} ms) must be longer than "
                    "SEND_DEADLINE ({} ms) by {} ms at least",
                    settings.claim_lease.count(), settings.send.deadline.count(), to_write_down.count())};
}

}  // namespace omnibus::notify
