#include "concurrency/stop_signals.hpp"

#include <csignal>
#include <ctime>

namespace omnibus {
namespace {

sigset_t stop_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

}  // namespace

StopSignals::StopSignals() {
  auto const signals = stop_signals();
  sigprocmask(SIG_BLOCK, &signals, nullptr);
}

void StopSignals::wait() {
  auto const signals = stop_signals();
  int signal = 0;
  sigwait(&signals, &signal);
}

bool StopSignals::wait_for(std::chrono::milliseconds limit) {
  auto const signals = stop_signals();
  timespec const wait{static_cast<time_t>(limit.count() / 1000), static_cast<long>(limit.count() % 1000) * 1'000'000};
  return sigtimedwait(&signals, nullptr, &wait) > 0;
}

}  // namespace omnibus
