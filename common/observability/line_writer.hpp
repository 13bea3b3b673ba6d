#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace omnibus::log {

/// Writes lines to a file descriptor on a thread of its own. Nobody who adds a line waits for its reader: lines that
/// find no room are dropped and counted. A line is written at once, or within 5 ms where others were written just
/// before. Any thread may use it.
class LineWriter {
 public:
  /// Makes the line that takes the place of `dropped` lines.
  using Notice = std::function<std::string(std::uint64_t dropped)>;

  /// Keeps `max_bytes` of lines at most. Does not own the descriptor, which must stay open. The thread starts with the
  /// first line.
  LineWriter(int descriptor, std::size_t max_bytes, Notice notice);
  /// Drops what is not written yet: call flush() before. Does not wait for a descriptor that blocks.
  ~LineWriter();
  LineWriter(LineWriter const&) = delete;
  LineWriter& operator=(LineWriter const&) = delete;

  /// Adds a line, which has no end of line yet. Never blocks on the descriptor.
  void add(std::string_view line);
  /// Waits until all that was added before is written. @return false if `patience` ended first
  bool flush(std::chrono::milliseconds patience);
  /// Lines that found no room, since the beginning.
  std::uint64_t dropped() const;

 private:
  struct State;
  std::shared_ptr<State> state_;  // also the thread's, which may outlive this object
};

}  // namespace omnibus::log
