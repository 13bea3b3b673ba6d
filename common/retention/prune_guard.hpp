/// Whether a run of retention may begin, and how many rows it takes at once. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

namespace omnibus::retention {

/// What a run would do.
struct PruneOutlook {
  std::int64_t due = 0;                                ///< rows that are too old
  std::int64_t total = 0;                              ///< all rows of the table
  std::optional<std::chrono::milliseconds> advance{};  ///< of the cut-off since the last finished run
};

/// Why the run must not begin by itself, as a word: `more_than_half` of the table would go, or the cut-off has moved by
/// more than 8.5 days from the last run's (`cutoff_jump`), as after a wrong clock. Nothing if it may.
std::optional<std::string_view> reason_to_stop(PruneOutlook const& outlook);

/// The same for a table that is quickly empty in quiet times: only the cut-off counts.
std::optional<std::string_view> cutoff_jump(PruneOutlook const& outlook);

/// Rows that a batch takes, so that no batch keeps others waiting: begins small, grows while batches are quick, shrinks
/// when one was slow.
class BatchSize {
 public:
  /// @param most rows of the largest batch
  explicit BatchSize(std::int64_t most) : most_{most}, rows_{most < first ? most : first} {}

  std::int64_t rows() const { return rows_; }
  /// A batch of rows() rows took this long.
  void took(std::chrono::milliseconds time);

 private:
  static constexpr std::int64_t first = 500;
  std::int64_t most_;
  std::int64_t rows_;
};

}  // namespace omnibus::retention
