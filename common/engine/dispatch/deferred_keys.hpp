/// The keys of a partition whose first event is deferred for long.
#pragma once

#include "engine/dispatch/delivery.hpp"
#include "engine/dispatch/offset_frontier.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <queue>
#include <span>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

namespace omnibus::engine {

/// Nothing of such a key is in memory but its number: its first event and those behind it are rows of the database, in
/// the order of their offsets, and the offset frontier passes them. Once the key is due, its first row is read and
/// tried; if that ends, the next rows follow. With the last ones in their lane, arrivals go behind them again, and the
/// key is forgotten when they have ended.
///
/// A row is removed later than its event ends. A crash in between makes a duplicate, which the inbox recognises.
///
/// Pure: what to write and to read is asked for. Use it on the event loop only. A key that is passed in must be held,
/// but for holds(), wait(), adopt(), written() and left().
class DeferredKeys {
 public:
  static constexpr std::size_t most_rows = 64;  ///< of a key, in its lane at once
  /// What may arrive while a key's rows are read; with more, that becomes rows too.
  static constexpr std::size_t most_late = 64;
  static constexpr std::size_t most_late_bytes = 256 << 10;

  /// What becomes a row, or changes one.
  struct Place {
    std::uint64_t key_hash = 0;
    DeferredRow row;
    std::uint32_t bytes = 0;
    std::uint32_t attempts = 0;
    std::uint32_t deferrals = 0;
    Clock::time_point due;
    Clock::time_point arrived;
    Clock::time_point first_failed;
    /// Of the frontier, to be finished once the row is written; none for one that is a row already.
    std::optional<OffsetFrontier::Sequence> sequence;
  };
  static Place place_of(Delivery const& delivery, OffsetFrontier const& frontier);

  /// Where an arrival of a key that is held goes.
  enum class Arrival : std::uint8_t {
    row,   ///< append() it
    late,  ///< keep_late() it
    lane   ///< as any other
  };
  /// The rows of a key that are to be read.
  struct Load {
    std::uint64_t key_hash = 0;
    std::size_t most = 1;
  };

  bool empty() const { return keys_.empty(); }
  bool holds(std::uint64_t key_hash) const { return !keys_.empty() && keys_.contains(key_hash); }
  std::size_t keys() const { return keys_.size(); }
  /// Rows, some of which may be of records that have ended.
  std::size_t rows() const { return rows_; }
  /// When the first of them arrived; max() if there is none. Looks at each key.
  Clock::time_point oldest() const;
  /// Keys whose rows are being read or worked on.
  std::size_t active() const { return active_; }

  /// The key waits until then. Does not change its rows and counts.
  void wait(std::uint64_t key_hash, Clock::time_point due);
  /// As wait(), with rows of an earlier owner, unless the key is held already.
  void adopt(std::uint64_t key_hash, Clock::time_point due, std::size_t rows, Clock::time_point arrived);
  Arrival arrive(std::uint64_t key_hash) const;
  /// To be written. Its time is that of the key.
  void append(Place place);
  /// Keeps a delivery, which is no row, until end_load() or take_late() returns it.
  void keep_late(Delivery& delivery);
  /// The late ones of a key, to be appended before what comes after them: a crash must not leave a gap in its rows.
  std::vector<Delivery*> take_late(std::uint64_t key_hash);

  bool has_unwritten() const { return !unwritten_.empty(); }
  std::size_t unwritten() const { return unwritten_.size(); }
  std::vector<Place> take_unwritten(std::size_t most);
  void written(std::span<Place const> places);
  /// They could not be written now.
  void not_written(std::vector<Place> places);
  /// Forgets what is not written: the partition goes, and its next owner reads it again.
  void drop_unwritten() { unwritten_.clear(); }

  /// Whether a key is due, or was when it was put off.
  bool is_due(Clock::time_point now) const { return !due_.empty() && due_.top().when <= now; }
  /// Takes keys that are due, have everything written, and may be read now.
  std::vector<Load> begin_loads(Clock::time_point now, std::size_t most);
  /// When the first row of a key, which has been read, arrived.
  void begins_at(std::uint64_t key_hash, Clock::time_point arrived) { keys_.at(key_hash).arrived = arrived; }
  /// The rows have been read. `rows` of them are submitted next, then the returned deliveries: to the lane if the key
  /// has no more rows, else to append().
  struct Loaded {
    bool submit = true;  ///< false: the rows are not wanted now
    bool last = false;   ///< nothing of the key is left but these
    std::vector<Delivery*> late;
  };
  /// @param retry when to read again if nothing could be read
  Loaded end_load(std::uint64_t key_hash, std::size_t rows, bool more, Clock::time_point retry);

  /// A delivery that was a row has left. With the last one that was read, the next rows of its key are due.
  void left(std::uint64_t key_hash, bool finished, Clock::time_point now);

 private:
  struct Key {
    enum class State : std::uint8_t { waiting, loading, running, ending };
    State state = State::waiting;
    bool probes = true;       // the next load is of one row: it may be deferred again
    bool put_off = false;     // while loading: it waits again
    bool overflowed = false;  // while loading: something became a row
    std::uint32_t unwritten = 0;
    std::uint32_t loaded = 0;
    std::size_t rows = 0;
    std::size_t late_bytes = 0;
    Clock::time_point due;
    Clock::time_point arrived = Clock::time_point::max();  // its first row
    std::vector<Delivery*> late;
  };
  struct Due {
    Clock::time_point when;
    std::uint64_t key_hash;
    friend bool operator<(Due const& a, Due const& b) { return a.when > b.when; }  // the earliest on top
  };

  void set(Key& key, Key::State state);
  void wait(Key& key, std::uint64_t key_hash, Clock::time_point due);
  void set_rows(Key& key, std::size_t rows);
  void erase(std::uint64_t key_hash);

  boost::unordered_flat_map<std::uint64_t, Key> keys_;
  std::priority_queue<Due> due_;
  std::vector<Place> unwritten_;
  std::size_t rows_ = 0;
  std::size_t active_ = 0;
};

/// A load and the number of its partition.
struct PartitionLoad {
  std::size_t partition = 0;
  DeferredKeys::Load load;
};
/// Begins up to `most` loads, in equal shares of the partitions as far as they have keys that may be read. If there are
/// fewer than partitions, the first ones have them.
std::vector<PartitionLoad> begin_loads(std::span<DeferredKeys* const> partitions, Clock::time_point now,
                                       std::size_t most);

}  // namespace omnibus::engine
