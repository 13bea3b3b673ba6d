/// Reads of many coroutines in one round trip.
#pragma once

#include "concurrency/task.hpp"
#include "postgres/group_commit.hpp"
#include "postgres/pool.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <typeindex>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <pqxx/pqxx>

namespace omnibus::postgres {

/// At low load each read is made alone. Reads of one kind that are asked for meanwhile share the next round trip. If
/// that fails, each is tried alone: one event cannot fail another. Use it on the event loop only; it must outlive its
/// callers.
class GatheredReads {
 public:
  GatheredReads(boost::asio::io_context& loop, TransactionPool& pool) : loop_{loop}, pool_{pool} {}

  /// `Read` is a function `std::vector<Result>(pqxx::connection&, std::vector<Item> const&)` that reads for all items
  /// at once and returns a result for each, in their order. It runs on a thread of the pool.
  /// @param submitter see GroupCommit::submit()
  /// @throws what `Read` throws for this item alone.
  template <auto Read, class Item>
  auto read(Item item, std::uint64_t submitter = 0)
      -> Task<typename decltype(Read(std::declval<pqxx::connection&>(),
                                     std::declval<std::vector<Item> const&>()))::value_type> {
    auto& kind = kinds_[typeid(Kind<Read, Item>)];
    if (!kind) kind = std::make_unique<Kind<Read, Item>>(loop_, pool_);
    auto submitting = static_cast<Kind<Read, Item>&>(*kind).together.submit(item, submitter);
    auto result = co_await std::move(submitting);
    if (result) co_return *std::move(result);
    auto job = pool_.run([&item](pqxx::connection& connection) { return Read(connection, std::vector{item}); });
    auto alone = co_await std::move(job);
    co_return std::move(alone.at(0));
  }

 private:
  static constexpr std::size_t most_together = 64;

  struct AnyKind {
    virtual ~AnyKind() = default;
  };
  template <auto Read, class Item>
  struct Kind final : AnyKind {
    using Results = decltype(Read(std::declval<pqxx::connection&>(), std::declval<std::vector<Item> const&>()));
    using Result = std::optional<typename Results::value_type>;

    /// Nothing for each of them if they must be tried one by one.
    static std::vector<Result> read_all(pqxx::connection& connection, std::vector<Item> const& items) {
      std::vector<Result> results(items.size());
      try {
        std::ranges::move(Read(connection, items), results.begin());
      } catch (...) {
        if (items.size() == 1 || !connection.is_open()) throw;
      }
      return results;
    }

    // A quarter of the sessions: the fewer round trips at once, the more reads share one.
    Kind(boost::asio::io_context& loop, TransactionPool& pool)
        : together{loop, pool, read_all, most_together, std::max<std::size_t>(pool.size() / 4, 1)} {}

    GroupCommit<Item, Result> together;
  };

  boost::asio::io_context& loop_;
  TransactionPool& pool_;
  std::map<std::type_index, std::unique_ptr<AnyKind>> kinds_;
};

}  // namespace omnibus::postgres
