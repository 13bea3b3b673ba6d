/// Which key the next event has, and which number.
#pragma once

#include "fill.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <vector>

namespace omnibus::bench {

/// Deals keys and, for each, the numbers 0, 1, 2, ... but for the mistakes that were asked for.
class KeySequence {
 public:
  struct Event {
    std::uint64_t key;
    std::uint32_t number;
  };
  explicit KeySequence(FillSettings const& settings);

  Event next();
  /// Events of the key that has the most.
  std::uint64_t most_of_a_key() const;

 private:
  struct Key {
    std::uint32_t next = 0;
    bool swapped = false;  // the one after the next has gone out already
  };
  std::uint64_t next_key();

  FillSettings settings_;
  std::mt19937_64 random_;
  std::vector<double> zipf_;  // cumulated
  std::vector<Key> keys_;
  std::uint64_t dealt_ = 0;
};

}  // namespace omnibus::bench
