/// Finds the offset of a partition that may be committed.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace omnibus::engine {

/// Records begin in offset order and finish in any order. The frontier is the first unfinished one; everything
/// before it may be committed. Offsets may have gaps (compaction, transaction markers). All operations are O(1)
/// amortised. Not thread-safe: use it on the event loop only.
class OffsetFrontier {
 public:
  /// Position of a record among all begun records, counted from 0.
  using Sequence = std::uint64_t;

  /// Adds a record; offsets must ascend. `timestamp_ms` is the record's own time, for `oldest_open_ms`.
  Sequence begin(std::int64_t offset, std::int64_t timestamp_ms = 0);
  /// Marks it finished. Do not call it twice for one record.
  void finish(Sequence sequence);
  /// begin() and finish() in one, for a record that is finished already.
  void pass(std::int64_t offset) {
    if (base_ != end_) return finish(begin(offset));
    base_ = ++end_;
    newest_ = offset;
    position_ = offset + 1;
  }

  /// The next offset to read if we stopped now; nothing until the first record is finished.
  std::optional<std::int64_t> position() const { return position_ < 0 ? std::nullopt : std::optional{position_}; }
  /// Where reading would continue: the position, or before anything is finished the first record begun; 0 without any.
  std::int64_t next_offset() const;
  /// The offset of the last record begun, -1 without any.
  std::int64_t newest_offset() const { return newest_; }
  /// The first unfinished sequence.
  Sequence base() const { return base_; }
  /// One past the last sequence begun.
  Sequence end() const { return end_; }
  /// The offset and the timestamp of a record that is not finished.
  std::int64_t offset_of(Sequence sequence) const { return at(sequence).offset; }
  std::int64_t timestamp_of(Sequence sequence) const { return at(sequence).timestamp_ms; }
  /// Records between the frontier and the newest, finished or not.
  std::size_t open() const { return static_cast<std::size_t>(end_ - base_); }
  /// The finished ones among them, which a crash would deliver again.
  std::size_t ahead() const { return ahead_; }
  /// The timestamp of the oldest unfinished record.
  std::optional<std::int64_t> oldest_open_ms() const;

  /// Calls `visit(first, last)` with the offsets of each run of finished records beyond the frontier, in order, until
  /// it returns false.
  template <class Visit>
  void for_each_run_ahead(Visit&& visit) const {
    for (auto begin = next(base_, true); begin != end_;) {
      auto const end = next(begin, false);
      if (!visit(at(begin).offset, at(end - 1).offset)) return;
      begin = next(end, true);
    }
  }

 private:
  struct Entry {
    std::int64_t offset;
    std::int64_t timestamp_ms;
  };
  static constexpr unsigned bits = 64;

  std::size_t index(Sequence sequence) const { return static_cast<std::size_t>(sequence & (ring_.size() - 1)); }
  Entry const& at(Sequence sequence) const { return ring_[index(sequence)]; }
  void set(Sequence sequence, bool done);
  Sequence next(Sequence sequence, bool done) const;
  void grow();

  // A ring and a parallel ring of bits, so that a long run is walked 64 records at a time. Sizes are powers of two.
  std::vector<Entry> ring_ = std::vector<Entry>(bits);
  std::vector<std::uint64_t> done_ = std::vector<std::uint64_t>(1);
  Sequence base_ = 0;
  Sequence end_ = 0;
  std::size_t ahead_ = 0;
  std::int64_t position_ = -1;
  std::int64_t newest_ = -1;
};

}  // namespace omnibus::engine
