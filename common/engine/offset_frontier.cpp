#include "engine/offset_frontier.hpp"

#include "faults/failpoint.hpp"

#include <algorithm>

namespace omnibus::engine {

OffsetFrontier::Sequence OffsetFrontier::begin(std::int64_t offset, std::int64_t timestamp_ms) {
  if (open() == ring_.size()) grow();
  at(end_) = {offset, timestamp_ms, false};
  return end_++;
}

void OffsetFrontier::finish(Sequence sequence) {
  at(sequence).done = true;
  if (OMNIBUS_MUTATED("frontier")) position_ = std::max(position_, at(sequence).offset + 1);
  while (base_ != end_ && at(base_).done) position_ = at(base_++).offset + 1;
}

std::int64_t OffsetFrontier::next_offset() const {
  if (base_ != end_) return ring_[base_ & (ring_.size() - 1)].offset;
  return position_ < 0 ? 0 : position_;
}

std::optional<std::int64_t> OffsetFrontier::oldest_open_ms() const {
  if (base_ == end_) return std::nullopt;
  return ring_[base_ & (ring_.size() - 1)].timestamp_ms;
}

void OffsetFrontier::grow() {
  std::vector<Entry> larger(ring_.size() * 2);
  for (auto sequence = base_; sequence != end_; ++sequence) larger[sequence & (larger.size() - 1)] = at(sequence);
  ring_ = std::move(larger);
}

}  // namespace omnibus::engine
