#include "database_fixture.hpp"
#include "postgres/gathered_reads.hpp"

#include <algorithm>
#include <atomic>
#include <stdexcept>

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

}  // namespace

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
