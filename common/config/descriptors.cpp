#include "config/descriptors.hpp"

#include <algorithm>
#include <limits>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

namespace omnibus::config {
namespace {

/// The table grows with its highest descriptor, and never becomes smaller.
void make_room(std::uint64_t descriptors) noexcept {
  auto const any = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (any < 0) return;
  constexpr std::uint64_t most = std::numeric_limits<int>::max();
  auto const highest = fcntl(any, F_DUPFD_CLOEXEC, static_cast<int>(std::min(descriptors, most) - 1));
  if (highest >= 0) close(highest);
  close(any);
}

}  // namespace

std::uint64_t raise_descriptor_limit(std::uint64_t expected) noexcept {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  auto allowed = limit.rlim_cur;
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) == 0) allowed = limit.rlim_cur;
  if (auto const room = std::min<std::uint64_t>(expected, allowed); room > 0) make_room(room);
  return allowed;
}

std::uint64_t highest_descriptor_limit() noexcept {
  rlimit limit{};
  return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_max : 0;
}

}  // namespace omnibus::config
