/// What is done beyond the committed position, kept with the position itself.
#pragma once

#include "engine/dispatch/offset_frontier.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace omnibus::engine {

/// Finished records behind one that is not finished, as runs of offsets. They travel in the metadata of the offset
/// commit, so that the next owner of the partition does not do them again: one stuck record costs itself, not all that
/// was done behind it. Where metadata is lost, they are only delivered again.
///
/// The text is `done:` and, with commas between them, `skip+length` of each run, counted from the end of the run before
/// or from the position: `done:1+99999,3+2` at position 10 says that 11 to 100009, 100013 and 100014 are done.
class DoneAhead {
 public:
  DoneAhead() = default;
  /// What the metadata committed with `position` says; nothing where it is somebody else's or does not add up.
  static DoneAhead parse(std::string_view metadata, std::int64_t position);

  bool empty() const { return next_ == runs_.size(); }
  /// Whether the record was done. Offsets must be asked for in ascending order: O(1) amortised.
  bool contains(std::int64_t offset);

  /// The metadata to commit with `position`: what is finished beyond the frontier, and what this says of records that
  /// were not read yet. Runs that do not fit in `most` bytes are left out; empty without any.
  std::string text(OffsetFrontier const& frontier, std::int64_t position, std::size_t most) const;

 private:
  struct Run {
    std::int64_t first;
    std::int64_t last;
  };
  std::vector<Run> runs_;
  std::size_t next_ = 0;
  std::int64_t position_ = 0;
};

}  // namespace omnibus::engine
