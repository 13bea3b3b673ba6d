// The part of the engine that commits offsets.
#include "engine/engine.hpp"
#include "faults/failpoint.hpp"

namespace omnibus::engine {
namespace {

constexpr std::size_t most_uncommitted_ahead = 500;  // records finished ahead of the frontier before that is committed

}  // namespace

std::vector<kafka::Position> Engine::positions() const {
  std::vector<kafka::Position> positions;
  for (auto const& [key, partition] : partitions_)
    if (auto const position = partition->frontier.position()) positions.push_back({partition->where, *position, {}});
  return positions;
}

void Engine::commit_positions() {
  std::vector<kafka::Position> together;
  std::vector<kafka::Position> alone;
  for (auto& [key, partition] : partitions_) {
    auto const& frontier = partition->frontier;
    if (partition->lost || partition->confirming || (!frontier.position() && frontier.ahead() == 0)) continue;
    auto const position = frontier.next_offset();
    if (position < partition->sent || (position == partition->sent && frontier.ahead() == partition->sent_ahead))
      continue;
    partition->sent = position;
    partition->sent_ahead = frontier.ahead();
    auto& positions = partition->refused ? alone : together;
    positions.push_back(position_of(*partition));
  }
  if (together.empty() && alone.empty()) return;
  OMNIBUS_FAILPOINT("offsets.commit");
  if (!together.empty()) send_commit(together);
  for (auto const& each : alone) send_commit({each});
}

kafka::Position Engine::position_of(Partition const& partition) const {
  auto const offset = partition.next_offset();
  auto const epoch = partition.leader_epoch;
  return {partition.where, offset, partition.done_ahead.text(partition.frontier, offset, most_metadata_, epoch), epoch};
}

void Engine::send_commit(std::vector<kafka::Position> const& positions) {
  ++commits_sent_;
  poll_.consumer().commit(positions);
}

/// Much may be finished soon behind a stuck record, and all of it would be delivered again after a crash.
void Engine::commit_if_much_is_ahead(Partition const& partition) {
  auto const much = partition.frontier.ahead() > partition.sent_ahead + most_uncommitted_ahead;
  if (much && commits_answered_ == commits_sent_ && may_commit()) commit_positions();
}

}  // namespace omnibus::engine
