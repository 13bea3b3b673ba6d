#include "observability/line_writer.hpp"

#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include <poll.h>
#include <unistd.h>

namespace omnibus::log {
namespace {

/// How long lines gather after some were written: to wake the thread for each takes longer than to write it.
constexpr std::chrono::milliseconds pause{5};

/// Writes all of it. What a descriptor refuses is lost: a closed stdout must not stop the work.
void write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    auto const written = ::write(descriptor, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      pollfd writable{descriptor, POLLOUT, 0};
      ::poll(&writable, 1, -1);
    } else if (errno != EINTR) {
      return;
    }
  }
}

/// Signals are for the process's other threads.
void block_signals() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

/// @return false when the system has no thread to give now: whoever logs must not fail for that
template <class Run>
bool starts(Run run) {
  try {
    std::thread{std::move(run)}.detach();
    return true;
  } catch (std::system_error const&) {
    return false;
  }
}

}  // namespace

struct LineWriter::State {
  State(int its_descriptor, std::size_t most, Notice its_notice)
      : descriptor{its_descriptor}, max_bytes{most}, notice{std::move(its_notice)} {}

  void run() {
    block_signals();
    std::unique_lock lock{mutex};
    for (;;) {
      idle = true;
      added_to.wait(lock, [this] { return closed || !waiting.empty() || unsaid > 0; });
      idle = false;
      if (closed) return;
      writing.swap(waiting);
      auto const bytes = writing.size();
      auto const lost = std::exchange(unsaid, 0);
      saying = lost > 0;
      if (saying) writing += notice(lost) + '\n';
      lock.unlock();
      write_all(descriptor, writing);
      lock.lock();
      writing.clear();
      written += bytes;
      saying = false;
      written_to.notify_all();
      added_to.wait_for(lock, pause, [this] { return closed || flushing > 0 || is_filling(); });
    }
  }

  /// Whether lines would soon find no room.
  bool is_filling() const { return waiting.size() > max_bytes / 4; }

  int const descriptor;
  std::size_t const max_bytes;
  Notice const notice;
  mutable std::mutex mutex{};            // guards what follows; the thread alone changes `writing`
  std::condition_variable added_to{};    // the thread waits for it
  std::condition_variable written_to{};  // flush() waits for it
  std::string waiting{};
  std::string writing{};
  std::size_t added = 0;    // bytes since the beginning; those that are not written yet are kept
  std::size_t written = 0;  // without notices
  std::uint64_t dropped = 0;
  std::uint64_t unsaid = 0;  // of those dropped, the ones that no notice has told of
  bool saying = false;       // a notice is being written
  int flushing = 0;          // how many wait in flush()
  bool idle = false;         // the thread waits for a line
  bool started = false;
  bool closed = false;
};

LineWriter::LineWriter(int descriptor, std::size_t max_bytes, Notice notice)
    : state_{std::make_shared<State>(descriptor, max_bytes, std::move(notice))} {}

LineWriter::~LineWriter() {
  std::scoped_lock const lock{state_->mutex};
  state_->closed = true;
  state_->added_to.notify_one();
}

void LineWriter::add(std::string_view line) {
  auto& state = *state_;
  std::unique_lock lock{state.mutex};
  auto const bytes = line.size() + 1;
  if (!state.started) state.started = starts([shared = state_] { shared->run(); });
  if (!state.started || state.added - state.written + bytes > state.max_bytes) {
    ++state.dropped;
    ++state.unsaid;
  } else {
    state.waiting += line;
    state.waiting += '\n';
    state.added += bytes;
  }
  auto const wakes = std::exchange(state.idle, false) || state.is_filling();
  lock.unlock();  // or the thread would wake and wait for it
  if (wakes) state.added_to.notify_one();
}

bool LineWriter::flush(std::chrono::milliseconds patience) {
  auto& state = *state_;
  std::unique_lock lock{state.mutex};
  ++state.flushing;
  state.added_to.notify_one();
  auto const done = state.written_to.wait_for(
      lock, patience, [&, end = state.added] { return state.written >= end && state.unsaid == 0 && !state.saying; });
  --state.flushing;
  return done;
}

std::uint64_t LineWriter::dropped() const {
  std::scoped_lock const lock{state_->mutex};
  return state_->dropped;
}

}  // namespace omnibus::log
