#include "database_fixture.hpp"
#include "postgres/gathered_reads.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <latch>
#include <stdexcept>
#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::postgres;

namespace {

std::atomic<int> round_trips{0};

std::vector<int> double_all(pqxx::connection& connection, std::vector<int> const& items) {
  ++round_trips;
  pqxx::nontransaction query{connection};
  std::vector<int> results;
  for (auto const& row :
       query.exec("SELECT 2 / (1 - (n = 13)::int) * n FROM unnest($1::int[]) WITH ORDINALITY AS a (n, i)"
                  " ORDER BY i",
                  pqxx::params{items}))
    results.push_back(row[0].as<int>());
  return results;
}

std::vector<int> negate_all(pqxx::connection&, std::vector<int> const& items) {
  std::vector<int> results;
  for (auto const item : items) results.push_back(-item);
  return results;
}

/// Reads 0 to count-1 at once. What came back for each; -1 for one that threw.
template <auto Read>
std::vector<int> read_all(int count) {
  test::EmptyDatabase database;
  boost::asio::io_context loop{1};
  PoolSettings settings;
  settings.url = database.url();
  settings.size = 4;
  TransactionPool pool{settings};
  GatheredReads reads{loop, pool};
  std::vector<int> results(static_cast<std::size_t>(count), -1);
  for (int i = 0; i < count; ++i) {
    boost::asio::co_spawn(loop, reads.read<Read>(i), [&results, i](std::exception_ptr const& failed, int result) {
      if (!failed) results[static_cast<std::size_t>(i)] = result;
    });
  }
  loop.run();
  pool.close();
  return results;
}

constexpr int slow = 1000;
std::latch* quick_one_ended = nullptr;

/// A round trip with slow ones ends after the quick one's, or after a while.
std::vector<int> read_slowly(pqxx::connection&, std::vector<int> const& items) {
  auto const until = std::chrono::steady_clock::now() + std::chrono::seconds{10};
  auto const is_slow = std::ranges::any_of(items, [](int item) { return item >= slow; });
  while (is_slow && !quick_one_ended->try_wait() && std::chrono::steady_clock::now() < until)
    std::this_thread::sleep_for(std::chrono::milliseconds{1});
  return items;
}

}  // namespace

TEST_CASE("the read of a tenant that has only one does not wait for those of a tenant that has many") {
  test::EmptyDatabase database;
  boost::asio::io_context loop{1};
  PoolSettings settings;
  settings.url = database.url();
  settings.size = 4;
  TransactionPool pool{settings};
  GatheredReads reads{loop, pool};
  std::latch ended{1};
  quick_one_ended = &ended;
  std::size_t before = 0;
  for (int i = 0; i < 300; ++i) {
    auto const item = i == 0 ? 0 : slow + i;  // its first one is one of those who have only one
    boost::asio::co_spawn(loop, reads.read<read_slowly>(item, 1), [&](std::exception_ptr const&, int) { ++before; });
  }
  std::size_t before_the_quick_one = 300;
  boost::asio::co_spawn(loop, reads.read<read_slowly>(1, 2), [&](std::exception_ptr const& failed, int result) {
    CHECK_FALSE(failed);
    CHECK(result == 1);
    before_the_quick_one = before;
    ended.count_down();
  });
  loop.run();
  pool.close();
  CHECK(before_the_quick_one <= 1);
  CHECK(before == 300);
}

TEST_CASE("reads that are asked for at once share round trips, and everyone gets their own result") {
  round_trips = 0;
  auto const results = read_all<double_all>(13);
  for (int i = 0; i < 13; ++i) CHECK(results[static_cast<std::size_t>(i)] == 2 * i);
  CHECK(round_trips == 2);  // the first one alone, and then those that waited
}

TEST_CASE("a read that fails in company fails alone") {
  auto const results = read_all<double_all>(200);
  for (int i = 0; i < 200; ++i) CHECK(results[static_cast<std::size_t>(i)] == (i == 13 ? -1 : 2 * i));
}

TEST_CASE("each kind of read has round trips of its own") {
  auto const results = read_all<negate_all>(20);
  for (int i = 0; i < 20; ++i) CHECK(results[static_cast<std::size_t>(i)] == -i);
}
