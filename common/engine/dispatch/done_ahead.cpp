#include "engine/dispatch/done_ahead.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>

#include <fmt/format.h>

namespace omnibus::engine {
namespace {

constexpr std::string_view prefix = "done:";

/// Takes a number off the front of `text`, with the character that must follow it, if any.
std::optional<std::int64_t> take_number(std::string_view& text, char follows) {
  std::int64_t number = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || number < 0) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  if (text.empty()) return follows == ',' ? std::optional{number} : std::nullopt;
  if (text.front() != follows) return std::nullopt;
  text.remove_prefix(1);
  return number;
}

}  // namespace

DoneAhead DoneAhead::parse(std::string_view metadata, std::int64_t position) {
  DoneAhead done;
  done.position_ = position;
  if (!metadata.starts_with(prefix) || position < 0) return done;
  metadata.remove_prefix(prefix.size());
  if (metadata.find('/') != metadata.npos) {
    auto const epoch = take_number(metadata, '/');
    if (!epoch || *epoch > std::numeric_limits<std::int32_t>::max()) return done;
    done.epoch_ = static_cast<std::int32_t>(*epoch);
  }
  for (auto end = position; !metadata.empty();) {
    auto const skip = take_number(metadata, '+');
    auto const length = skip ? take_number(metadata, ',') : std::nullopt;
    auto const room = std::numeric_limits<std::int64_t>::max() - end;
    if (!length || *length == 0 || *skip > room || *length > room - *skip) return {};
    done.runs_.push_back({end + *skip, end + *skip + *length - 1});
    end += *skip + *length;
  }
  return done;
}

bool DoneAhead::contains(std::int64_t offset, std::int32_t leader_epoch) {
  // An older record, or one of a later epoch: the log is not the one that the position was committed for.
  if (offset < position_ || (epoch_ != unknown_epoch && leader_epoch > epoch_)) next_ = runs_.size();
  while (!empty() && runs_[next_].last < offset) ++next_;
  return !empty() && runs_[next_].first <= offset;
}

std::string DoneAhead::text(OffsetFrontier const& frontier, std::int64_t position, std::size_t most,
                            std::int32_t leader_epoch) const {
  leader_epoch = std::max(leader_epoch, epoch_);
  auto const beginning =
      leader_epoch == unknown_epoch ? std::string{prefix} : fmt::format("{}{}/", prefix, leader_epoch);
  std::string text;
  auto end = position;
  auto const add = [&](std::int64_t first, std::int64_t last) {
    auto const run = fmt::format("{}{}+{}", text.empty() ? std::string_view{beginning} : std::string_view{","},
                                 first - end, last - first + 1);
    if (text.size() + run.size() > most) return false;
    text += run;
    end = last + 1;
    return true;
  };
  auto fits = true;
  frontier.for_each_run_ahead([&](std::int64_t first, std::int64_t last) { return fits = add(first, last); });
  auto const read_to = frontier.newest_offset();
  for (auto at = next_; fits && at < runs_.size(); ++at) {
    auto const first = std::max(runs_[at].first, std::max(end, read_to + 1));
    if (first <= runs_[at].last) fits = add(first, runs_[at].last);
  }
  return text;
}

}  // namespace omnibus::engine
