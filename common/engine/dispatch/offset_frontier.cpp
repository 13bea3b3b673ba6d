#include "engine/dispatch/offset_frontier.hpp"

#include "faults/failpoint.hpp"

#include <algorithm>

namespace omnibus::engine {

OffsetFrontier::Sequence OffsetFrontier::begin(std::int64_t offset, std::int64_t timestamp_ms) {
  if (open() == ring_.size()) grow();
  ring_[index(end_)] = {offset, timestamp_ms};
  set(end_, false);
  newest_ = offset;
  return end_++;
}

void OffsetFrontier::finish(Sequence sequence) {
  set(sequence, true);
  ++ahead_;
  if (OMNIBUS_MUTATED("frontier")) position_ = std::max(position_, at(sequence).offset + 1);
  if (sequence != base_) return;
  base_ = next(base_, false);
  ahead_ -= static_cast<std::size_t>(base_ - sequence);
  position_ = at(base_ - 1).offset + 1;
}

std::int64_t OffsetFrontier::next_offset() const {
  if (base_ != end_ && !OMNIBUS_MUTATED("frontier")) return at(base_).offset;
  return position_ < 0 ? 0 : position_;
}

std::optional<std::int64_t> OffsetFrontier::oldest_open_ms() const {
  if (base_ == end_) return std::nullopt;
  return at(base_).timestamp_ms;
}

void OffsetFrontier::set(Sequence sequence, bool done) {
  auto const at = index(sequence);
  auto const bit = std::uint64_t{1} << (at % bits);
  done_[at / bits] = done ? done_[at / bits] | bit : done_[at / bits] & ~bit;
}

/// The first sequence from `sequence` on that is done, or is not; the end if there is none.
OffsetFrontier::Sequence OffsetFrontier::next(Sequence sequence, bool done) const {
  while (sequence < end_) {
    auto const at = index(sequence);
    auto const word = (done ? done_[at / bits] : ~done_[at / bits]) >> (at % bits);
    if (word != 0) return std::min(end_, sequence + static_cast<unsigned>(std::countr_zero(word)));
    sequence += bits - at % bits;
  }
  return end_;
}

void OffsetFrontier::grow() {
  std::vector<Entry> larger(ring_.size() * 2);
  std::vector<std::uint64_t> larger_done(larger.size() / bits);
  for (auto sequence = base_; sequence != end_; ++sequence) {
    auto const from = index(sequence);
    auto const to = static_cast<std::size_t>(sequence & (larger.size() - 1));
    larger[to] = ring_[from];
    larger_done[to / bits] |= (done_[from / bits] >> (from % bits) & 1U) << (to % bits);
  }
  ring_ = std::move(larger);
  done_ = std::move(larger_done);
}

}  // namespace omnibus::engine
