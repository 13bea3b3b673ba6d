/// Many small writes that share a transaction.
#pragma once

#include "concurrency/signal.hpp"
#include "concurrency/task.hpp"
#include "postgres/pool.hpp"

#include <algorithm>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

namespace omnibus::postgres {

/// Collects the items that coroutines submit during a write, and writes them together with the next write. An item
/// that is alone is written at once. Its submitter resumes when it is committed. Use it on the event loop only; it
/// must outlive its submitters.
template <class Item, class Result>
class GroupCommit {
 public:
  /// Writes items and returns a result for each, in their order. Runs on a thread of the pool.
  using Write = std::function<std::vector<Result>(pqxx::connection&, std::vector<Item> const&)>;

  GroupCommit(boost::asio::io_context& loop, TransactionPool& pool, Write write, std::size_t most = 256,
              std::size_t parallel = 2)
      : loop_{loop}, pool_{pool}, write_{std::move(write)}, most_{most}, parallel_{parallel} {}

  /// @throws the write's exception, to every submitter whose items were in it.
  Task<Result> submit(Item item) {
    // Owned by the writer and not by this coroutine, which its signal keeps: at a crash, neither would be freed.
    auto& slot = *waiting_.emplace_back(std::make_unique<Slot>());
    slot.item = std::move(item);
    if (running_ < parallel_) {
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
    std::optional<Result> result;
    std::exception_ptr failed;
    Signal written;
  };

  Task<> write_all() {
    while (!waiting_.empty()) {
      std::vector<std::unique_ptr<Slot>> slots;
      std::vector<Item> items;
      while (!waiting_.empty() && slots.size() < most_) {
        items.push_back(std::move(waiting_.front()->item));
        slots.push_back(std::move(waiting_.front()));
        waiting_.pop_front();
      }
      std::vector<Result> results;
      std::exception_ptr failed;
      try {
        auto writing = pool_.run([&](pqxx::connection& connection) { return write_(connection, items); });
        results = co_await std::move(writing);
      } catch (...) {
        failed = std::current_exception();
      }
      for (std::size_t i = 0; i < slots.size(); ++i) {
        if (failed)
          slots[i]->failed = failed;
        else
          slots[i]->result = std::move(results.at(i));
        slots[i]->written.raise();
      }
    }
    --running_;
  }

  boost::asio::io_context& loop_;
  TransactionPool& pool_;
  Write write_;
  std::size_t most_;
  std::size_t parallel_;
  std::size_t running_ = 0;
  std::deque<std::unique_ptr<Slot>> waiting_;
};

}  // namespace omnibus::postgres
