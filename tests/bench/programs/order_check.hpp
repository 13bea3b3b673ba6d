/// Whether every key's events were handled once, each after the one before it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <set>
#include <utility>
#include <vector>

namespace omnibus::bench {

/// Holds what was handled against what each key should have seen: 0, 1, 2, ... Keeps 16 bytes per key, whatever the
/// number of events, and up to a million gaps. Keys are told apart by a 64-bit hash. Not thread-safe.
class OrderCheck {
 public:
  struct Findings {
    std::uint64_t distinct = 0;    ///< events begun at least once
    std::uint64_t disorder = 0;    ///< begun before the one before it of its key had ended
    std::uint64_t duplicates = 0;  ///< begun again
    std::uint64_t missing = 0;     ///< never begun though a later one of their key was
  };

  /// Room for so many keys is there from the start.
  explicit OrderCheck(std::size_t keys = 1024);

  void begin(std::uint64_t key, std::uint64_t number) { put({key, number, true, false}); }
  void end(std::uint64_t key, std::uint64_t number) { put({key, number, false, true}); }
  /// Begun and ended in one go.
  void handled(std::uint64_t key, std::uint64_t number) { put({key, number, true, true}); }

  /// Of everything so far.
  Findings findings();

 private:
  struct Key {
    std::uint64_t hash = 0;   // 0: free
    std::uint32_t begun = 0;  // one past the highest begun
    std::uint32_t ended = 0;  // one past the highest ended
  };
  struct Event {
    std::uint64_t key;
    std::uint64_t number;
    bool begins;
    bool ends;
  };
  static constexpr std::size_t most_waiting = 32;
  static constexpr std::size_t most_gaps = 1'000'000;

  Key& find(std::uint64_t hash);
  void grow();
  void put(Event const& event);
  void take_all();
  void take(Event const& event);
  void take_begin(std::uint64_t hash, std::uint64_t number);
  void take_end(std::uint64_t hash, std::uint64_t number);

  std::vector<Key> keys_;  // a power of two, at most half full
  std::size_t used_ = 0;
  // Looked at together, in their order, so that their keys' counts come from memory at the same time: with a million
  // keys the wait for each would cost more than the rest of the check.
  std::array<Event, most_waiting> waiting_;
  std::size_t put_ = 0;
  std::set<std::pair<std::uint64_t, std::uint64_t>> gaps_;
  Findings findings_;
};

}  // namespace omnibus::bench
