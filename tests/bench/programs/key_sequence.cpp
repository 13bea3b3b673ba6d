#include "key_sequence.hpp"

#include <algorithm>

namespace omnibus::bench {

KeySequence::KeySequence(FillSettings const& settings) : settings_{settings}, random_{settings.seed} {
  if (settings.keys == Keys::distinct) return;
  keys_.resize(settings.key_count);
  if (settings.keys != Keys::zipf) return;
  auto sum = 0.0;
  for (std::size_t rank = 1; rank <= settings.key_count; ++rank)
    zipf_.push_back(sum += 1.0 / static_cast<double>(rank));
}

std::uint64_t KeySequence::next_key() {
  if (zipf_.empty()) return dealt_ % settings_.key_count;
  auto const drawn = std::uniform_real_distribution{0.0, zipf_.back()}(random_);
  auto const found = std::upper_bound(zipf_.begin(), zipf_.end(), drawn) - zipf_.begin();
  return std::min<std::uint64_t>(static_cast<std::uint64_t>(found), settings_.key_count - 1);
}

std::uint64_t KeySequence::most_of_a_key() const {
  if (settings_.keys == Keys::distinct) return std::min<std::uint64_t>(dealt_, 1);
  std::uint64_t most = 0;
  for (auto const& key : keys_) most = std::max<std::uint64_t>(most, key.next);
  return most;
}

KeySequence::Event KeySequence::next() {
  if (settings_.keys == Keys::distinct) return {dealt_++, 0};
  auto const index = next_key();
  ++dealt_;
  auto& key = keys_[index];
  if (key.swapped) {
    key.swapped = false;
    auto const number = key.next;
    key.next += 2;
    return {index, number};
  }
  // Of keys that have begun, so that each mistake is one of its kind and no other.
  if (key.next > 0) {
    if (settings_.swapped > 0) {
      --settings_.swapped;
      key.swapped = true;
      return {index, key.next + 1};
    }
    if (settings_.repeated > 0) {
      --settings_.repeated;
      return {index, key.next - 1};
    }
    if (settings_.omitted > 0) {
      --settings_.omitted;
      ++key.next;
    }
  }
  return {index, key.next++};
}

}  // namespace omnibus::bench
