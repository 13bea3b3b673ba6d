#include "engine/dispatch/batch_dispatcher.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>

namespace omnibus::engine {
BatchDispatcher::BatchDispatcher(boost::asio::io_context& loop, std::size_t most,
                                 std::vector<std::unique_ptr<BatchItems>> items, BatchProcessor& processor)
    : loop_{loop}, most_{most}, processor_{processor}, batches_(items.size()), filling_{&batches_.front()} {
  for (std::size_t i = 0; i < items.size(); ++i) {
    batches_[i].items = std::move(items[i]);
    if (&batches_[i] != filling_) idle_.push_back(&batches_[i]);
  }
}

void BatchDispatcher::submit(Delivery& delivery) {
  ++alive_;
  ++delivery.partition->alive;
  held_bytes_ += delivery.bytes + message_bytes;  // its message is kept
  place(delivery);
}

void BatchDispatcher::place(Delivery& delivery) {
  auto& partition = *delivery.partition;
  if (partition.gives_back(delivery.sequence)) return leave(delivery, false);
  if (partition.open)
    ready_.push_back(&delivery);
  else
    partition.held.push_back(&delivery);
}

void BatchDispatcher::pump() {
  fill();
  start();
}

void BatchDispatcher::fill() {
  while (!ready_.empty() && filling_->entries.size() < most_) {
    auto& delivery = *ready_.front();
    ready_.pop_front();
    processor_.decode(*filling_, delivery);
  }
}

void BatchDispatcher::start() {
  if (filling_->entries.empty() || idle_.empty()) return;
  if (in_flight_ > 0 && filling_->entries.size() < most_) return;
  auto& batch = *std::exchange(filling_, idle_.back());
  idle_.pop_back();
  in_flight_ += batch.entries.size();
  for (auto const& entry : batch.entries) {
    auto& partition = *entry.delivery->partition;
    partition.started = std::max(partition.started, entry.delivery->sequence + 1);
  }
  boost::asio::co_spawn(loop_, run(batch), boost::asio::detached);
  boost::asio::post(loop_, [this] { pump(); });  // once the commit is under way
}

Task<> BatchDispatcher::run(Batch& batch) {
  auto commit = processor_.commit(batch);
  co_await std::move(commit);
  settle(batch);
  idle_.push_back(&batch);
  pump();
}

void BatchDispatcher::settle(Batch& batch) {
  in_flight_ -= batch.entries.size();
  for (auto const& entry : batch.entries) {
    if (entry.finished) continue;
    // No later offset can be committed any more, and later events must not overtake it.
    auto& partition = *entry.delivery->partition;
    partition.drain_limit = std::min(partition.drain_limit, entry.delivery->sequence);
    drain(partition);
  }
  for (auto const& entry : batch.entries) leave(*entry.delivery, entry.finished);
  batch.clear();
}

bool BatchDispatcher::paused() const {
  return std::ranges::any_of(batches_, [](Batch const& batch) { return batch.paused; });
}

void BatchDispatcher::open(Partition& partition) {
  partition.open = true;
  auto held = std::exchange(partition.held, {});
  for (auto* const delivery : held) place(*delivery);
  pump();
}

void BatchDispatcher::close(Partition& partition) {
  partition.open = false;
  // At once, and not when their turn comes: later arrivals are held behind them.
  auto const taken = take_back(partition);
  partition.held.insert(partition.held.begin(), taken.begin(), taken.end());
}

void BatchDispatcher::drain(Partition& partition) {
  partition.drain_limit = std::min(partition.drain_limit, partition.started);
  auto const taken = take_back(partition);
  auto const held = std::exchange(partition.held, {});
  for (auto* const delivery : taken) leave(*delivery, false);
  for (auto* const delivery : held) leave(*delivery, false);
}

void BatchDispatcher::drop(Partition& partition) {
  partition.lost = true;
  drain(partition);
}

/// Everything of a partition that is not being committed, in its order.
std::deque<Delivery*> BatchDispatcher::take_back(Partition const& partition) {
  std::deque<Delivery*> taken;
  // The items stay: without an entry they are not used.
  std::erase_if(filling_->entries, [&](BatchEntry const& entry) {
    if (entry.delivery->partition != &partition) return false;
    taken.push_back(entry.delivery);
    return true;
  });
  std::erase_if(ready_, [&](Delivery* const delivery) {
    if (delivery->partition != &partition) return false;
    taken.push_back(delivery);
    return true;
  });
  return taken;
}

void BatchDispatcher::leave(Delivery& delivery, bool finished) {
  --alive_;
  --delivery.partition->alive;
  held_bytes_ -= delivery.bytes + message_bytes;
  processor_.left(delivery, finished);
}

}  // namespace omnibus::engine
