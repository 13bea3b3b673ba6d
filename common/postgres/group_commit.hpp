/// Many small writes that share a transaction.
#pragma once

#include "concurrency/signal.hpp"
#include "concurrency/task.hpp"
#include "postgres/pool.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

namespace omnibus::postgres {

/// Collects the items that coroutines submit during a write, and writes them together with the next write. An item
/// that is alone is written at once. Its submitter resumes when it is committed. Use it on the event loop only; it
/// must outlive its submitters.
///
/// Whoever has only one item here does not wait behind those who have many: such items have a queue and a writer of
/// their own, one more than `parallel`, and the other writers take them as well when they have nothing else.
template <class Item, class Result>
class GroupCommit {
 public:
  /// Writes items and returns a result for each, in their order. Runs on a thread of the pool.
  using Write = std::function<std::vector<Result>(pqxx::connection&, std::vector<Item> const&)>;

  GroupCommit(boost::asio::io_context& loop, TransactionPool& pool, Write write, std::size_t most = 256,
              std::size_t parallel = 2)
      : loop_{loop}, pool_{pool}, write_{std::move(write)}, most_{most}, parallel_{parallel} {}

  /// @param submitter whose item it is, such as a number for a tenant; 0 for nobody's: these all wait with the many
  /// @throws the write's exception, to every submitter whose items were in it.
  Task<Result> submit(Item item, std::uint64_t submitter = 0) {
    auto const single = submitter != 0 && ++items_of_[submitter] == 1;
    // Owned by the writer and not by this coroutine, which its signal keeps: at a crash, neither would be freed.
    auto& slot = *(single ? single_ : many_).emplace_back(std::make_unique<Slot>());
    slot.item = std::move(item);
    slot.submitter = submitter;
    if (single && !writes_single_) {
      writes_single_ = true;
      boost::asio::co_spawn(loop_, write_single(), boost::asio::detached);
    } else if (running_ < parallel_) {
      ++running_;
      boost::asio::co_spawn(loop_, write_all(), boost::asio::detached);
    }
    auto written = slot.written.wait();
    co_await std::move(written);
    if (slot.failed) std::rethrow_exception(slot.failed);
    co_return std::move(*slot.result);
  }

 private:
  struct Slot {
    Item item;
    std::uint64_t submitter = 0;
    std::optional<Result> result;
    std::exception_ptr failed;
    Signal written;
  };
  using Queue = std::deque<std::unique_ptr<Slot>>;

  /// The next ones of a queue, until there are enough.
  void take(Queue& queue, std::vector<std::unique_ptr<Slot>>& slots) {
    while (!queue.empty() && slots.size() < most_) {
      slots.push_back(std::move(queue.front()));
      queue.pop_front();
    }
  }

  Task<> write_single() {
    while (!single_.empty()) {
      std::vector<std::unique_ptr<Slot>> slots;
      take(single_, slots);
      auto writing = write(std::move(slots), "single");
      co_await std::move(writing);
    }
    writes_single_ = false;
  }

  Task<> write_all() {
    while (!many_.empty() || !single_.empty()) {
      std::vector<std::unique_ptr<Slot>> slots;
      take(many_, slots);
      take(single_, slots);
      auto writing = write(std::move(slots), {});
      co_await std::move(writing);
    }
    --running_;
  }

  Task<> write(std::vector<std::unique_ptr<Slot>> slots, std::string share) {
    std::vector<Item> items;
    items.reserve(slots.size());
    for (auto const& slot : slots) items.push_back(std::move(slot->item));
    std::vector<Result> results;
    std::exception_ptr failed;
    try {
      auto writing =
          pool_.run([&](pqxx::connection& connection) { return write_(connection, items); }, std::move(share));
      results = co_await std::move(writing);
    } catch (...) {
      failed = std::current_exception();
    }
    for (std::size_t i = 0; i < slots.size(); ++i) {
      auto& slot = *slots[i];
      if (slot.submitter != 0 && --items_of_[slot.submitter] == 0) items_of_.erase(slot.submitter);
      if (failed)
        slot.failed = failed;
      else
        slot.result = std::move(results.at(i));
      slot.written.raise();
    }
  }

  boost::asio::io_context& loop_;
  TransactionPool& pool_;
  Write write_;
  std::size_t most_;
  std::size_t parallel_;
  std::size_t running_ = 0;     // writers of the many
  bool writes_single_ = false;  // whether the writer of the single ones runs
  Queue many_;
  Queue single_;
  std::unordered_map<std::uint64_t, std::size_t> items_of_;  // not written yet, by submitter
};

}  // namespace omnibus::postgres
