#include "database_fixture.hpp"
#include "postgres/group_commit.hpp"

#include <atomic>
#include <chrono>
#include <future>
#include <stdexcept>
#include <string>

#include <doctest/doctest.h>
#include <pqxx/pqxx>

using namespace omnibus;
using postgres::GroupCommit;

namespace {

using Doubling = GroupCommit<int, int>;

/// Submits 0 to count-1 at once. What came back for each; -1 for one that threw.
std::vector<int> submit_all(Doubling& group, boost::asio::io_context& loop, int count) {
  std::vector<int> results(static_cast<std::size_t>(count), -1);
  for (int i = 0; i < count; ++i) {
    boost::asio::co_spawn(loop, group.submit(i), [&results, i](std::exception_ptr const& failed, int result) {
      if (!failed) results[static_cast<std::size_t>(i)] = result;
    });
  }
  loop.run();
  return results;
}

PoolSettings settings(test::EmptyDatabase const& database) {
  PoolSettings pool;
  pool.url = database.url();
  pool.size = 2;
  return pool;
}

}  // namespace

TEST_CASE("what is submitted while a write is under way shares the next one, and everyone gets their own result") {
  test::TestDatabase database;
  boost::asio::io_context loop{1};
  TransactionPool pool{settings(database)};
  std::atomic<int> writes{0};
  std::atomic<std::size_t> largest{0};
  Doubling group{loop, pool,
                 [&](pqxx::connection& connection, std::vector<int> const& items) {
                   ++writes;
                   largest = std::max(largest.load(), items.size());
                   pqxx::nontransaction query{connection};
                   std::vector<int> results;
                   for (auto const& row : query.exec("SELECT 2 * unnest($1::int[])", pqxx::params{items}))
                     results.push_back(row[0].as<int>());
                   return results;
                 },
                 100};
  auto const results = submit_all(group, loop, 1000);
  for (int i = 0; i < 1000; ++i) CHECK(results[static_cast<std::size_t>(i)] == 2 * i);
  CHECK(writes <= 14);  // the first ones alone, and then a hundred at a time
  CHECK(largest == 100);
  pool.close();
}

TEST_CASE("a write that fails fails for those who are in it, and not for the next") {
  test::TestDatabase database;
  boost::asio::io_context loop{1};
  TransactionPool pool{settings(database)};
  Doubling group{loop, pool,
                 [](pqxx::connection&, std::vector<int> const& items) {
                   if (items.front() < 10) throw std::runtime_error("no");
                   return items;
                 },
                 10, 1};
  auto const results = submit_all(group, loop, 30);
  CHECK(std::count(results.begin(), results.end(), -1) >= 1);
  CHECK(results[29] == 29);
  pool.close();
}

TEST_CASE("who submits one item does not wait behind those who submit many") {
  test::TestDatabase database;
  boost::asio::io_context loop{1};
  TransactionPool pool{settings(database)};
  constexpr int single = 1000;
  std::promise<void> single_written;
  auto const seen = single_written.get_future().share();
  Doubling group{loop, pool,
                 [&](pqxx::connection&, std::vector<int> const& items) {
                   if (items.front() == single) single_written.set_value();
                   // Only the first of the many is alone, too.
                   if (items.front() != 0 && seen.wait_for(std::chrono::seconds(20)) != std::future_status::ready)
                     throw std::runtime_error("the single item waits behind the many");
                   return items;
                 },
                 10, 1};
  std::atomic<int> written{0};
  auto const count = [&](std::exception_ptr const& failed, int) {
    if (!failed) ++written;
  };
  for (int i = 0; i < 30; ++i) boost::asio::co_spawn(loop, group.submit(i, 1), count);
  boost::asio::co_spawn(loop, group.submit(single, 2), count);
  loop.run();
  CHECK(written == 31);
  pool.close();
}
