#include "retention/prune_guard.hpp"

#include <algorithm>

namespace omnibus::retention {
namespace {

// A week, the leap day that a cut-off of whole years may pass in it, and half a day by which a run may be late.
constexpr std::chrono::hours longest_advance{8 * 24 + 12};
constexpr std::chrono::milliseconds quick{25};
constexpr std::chrono::milliseconds slow{50};  // half of what a batch may take
constexpr std::int64_t least = 50;

}  // namespace

std::optional<std::string_view> reason_to_stop(PruneOutlook const& outlook) {
  if (auto const jump = cutoff_jump(outlook)) return jump;
  if (outlook.due > outlook.total - outlook.due) return "more_than_half";
  return std::nullopt;
}

std::optional<std::string_view> cutoff_jump(PruneOutlook const& outlook) {
  if (outlook.advance && std::chrono::abs(*outlook.advance) > longest_advance) return "cutoff_jump";
  return std::nullopt;
}

void BatchSize::took(std::chrono::milliseconds time) {
  if (time <= quick) rows_ = std::min(rows_ * 2, most_);
  if (time > slow) rows_ = std::clamp(rows_ * slow.count() / time.count() / 2, std::min(least, most_), most_);
}

}  // namespace omnibus::retention
