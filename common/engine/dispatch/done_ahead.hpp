/// The finished records beyond the committed position; stored in the metadata of the commit.
#pragma once

#include "engine/dispatch/offset_frontier.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace omnibus::engine {

/// Finished records behind an unfinished one, as runs of offsets. They are stored in the metadata of the offset
/// commit, so that the partition's next owner does not handle them again: one stuck record causes one redelivery, not
/// one for each finished record behind it. If the metadata is lost, they are only delivered again.
///
/// The text is `done:` and, with commas between them, `skip+length` of each run, counted from the end of the run before
/// or from the position: `done:1+99999,3+2` at position 10 means that 11 to 100009, 100013 and 100014 are done. With
/// the leader epoch of the newest record that was read it is `done:7/1+99999,3+2`: a record of a later epoch at one of
/// these offsets was written after the log had been cut off, and is not the one that was done.
class DoneAhead {
 public:
  static constexpr std::int32_t unknown_epoch = -1;

  DoneAhead() = default;
  /// Parses the metadata committed with `position`; empty when it has another format or is inconsistent.
  static DoneAhead parse(std::string_view metadata, std::int64_t position);

  bool empty() const { return next_ == runs_.size(); }
  /// Whether the record was done. Ask for offsets in ascending order: O(1) amortised. Forgets all runs at a record of
  /// a later leader epoch than theirs.
  bool contains(std::int64_t offset, std::int32_t leader_epoch = unknown_epoch);

  /// The metadata to commit with `position`: finished records beyond the frontier, and the known ones among records
  /// not read yet. Runs that do not fit in `most` bytes are left out; empty without any.
  /// @param leader_epoch the latest of those of the records read and of the committed position
  std::string text(OffsetFrontier const& frontier, std::int64_t position, std::size_t most,
                   std::int32_t leader_epoch = unknown_epoch) const;

 private:
  struct Run {
    std::int64_t first;
    std::int64_t last;
  };
  std::vector<Run> runs_;
  std::size_t next_ = 0;
  std::int64_t position_ = 0;
  std::int32_t epoch_ = unknown_epoch;
};

}  // namespace omnibus::engine
