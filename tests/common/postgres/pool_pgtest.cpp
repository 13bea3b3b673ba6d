#include "database_fixture.hpp"
#include "postgres/errors.hpp"
#include "postgres/pool.hpp"
#include "postgres/prepared.hpp"

#include <array>
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <latch>
#include <set>
#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::postgres;
namespace asio = boost::asio;

namespace {

PoolSettings settings(std::string url, std::size_t size) {
  PoolSettings result;
  result.url = std::move(url);
  result.size = size;
  result.application_name = "pool_pgtest";
  return result;
}

int answer(pqxx::connection& connection) {
  return pqxx::nontransaction{connection}.query_value<int>("SELECT 42");
}

/// Runs a coroutine to its end on a loop of its own.
template <class T>
T await(Task<T> task) {
  asio::io_context loop;
  auto result = asio::co_spawn(loop, std::move(task), asio::use_future);
  loop.run();
  return result.get();
}

/// What a failed run() of the pool means.
DatabaseError failure_of(TransactionPool& pool) {
  try {
    await(pool.run(answer));
  } catch (std::exception const& error) {
    return classify_database_error(error);
  }
  FAIL("did not fail");
  return DatabaseError::permanent;
}

/// A cluster that may be stopped without harm to other tests.
class Cluster {
 public:
  Cluster() {
    folder_ = std::filesystem::temp_directory_path() / ("omnibus-" + to_string(random_uuid()).substr(0, 8));
    run("up");
  }
  Cluster(Cluster const&) = delete;
  Cluster& operator=(Cluster const&) = delete;
  ~Cluster() {
    run("down");
    std::filesystem::remove_all(folder_);
  }

  std::string run(std::string const& verb) const {
    auto const command =
        "OMNIBUS_RUN_DIR='" + folder_.string() + "' " OMNIBUS_SOURCE_DIR "/compose/postgres " + verb + " 2>/dev/null";
    auto* pipe = popen(command.c_str(), "r");
    std::array<char, 500> line{};
    auto const* got = fgets(line.data(), line.size(), pipe);
    std::string output = got == nullptr ? "" : got;
    pclose(pipe);
    while (output.ends_with('\n')) output.pop_back();
    return output;
  }

 private:
  std::filesystem::path folder_;
};

}  // namespace

TEST_CASE("work runs on the pool's threads and its result arrives on the caller's executor") {
  test::EmptyDatabase database;
  TransactionPool pool{settings(database.url(), 2)};
  auto const body = [](TransactionPool& on) -> Task<bool> {
    auto const caller = std::this_thread::get_id();
    std::thread::id worker;
    auto operation = on.run([&worker](pqxx::connection& connection) {
      worker = std::this_thread::get_id();
      return answer(connection);
    });
    auto const result = co_await std::move(operation);
    co_return result == 42 && worker != caller&& std::this_thread::get_id() == caller;
  };
  CHECK(await(body(pool)));
}

TEST_CASE("as many transactions run at once as there are threads") {
  test::EmptyDatabase database;
  TransactionPool pool{settings(database.url(), 4)};
  asio::io_context loop;
  std::latch all_run{4};
  for (int i = 0; i < 4; ++i) {
    auto task = pool.run([&](pqxx::connection&) { all_run.arrive_and_wait(); });
    asio::co_spawn(loop, std::move(task), asio::detached);
  }
  loop.run();
  CHECK(all_run.try_wait());
}

TEST_CASE("work that comes one after the other stays with few sessions, which are warm") {
  test::EmptyDatabase database;
  TransactionPool pool{settings(database.url(), 12)};
  std::set<int> sessions;
  for (int i = 0; i < 40; ++i) {
    auto const own = [](pqxx::connection& connection) { return connection.backendpid(); };
    sessions.insert(await(pool.run(own)));
  }
  CHECK(sessions.size() <= 4);  // one, and another while its thread is on the way back
}

TEST_CASE("what the work throws comes out at the caller, and the thread goes on") {
  test::EmptyDatabase database;
  TransactionPool pool{settings(database.url(), 1)};
  CHECK_THROWS_WITH(await(pool.run([](pqxx::connection&) -> int { throw std::runtime_error("no"); })), "no");
  CHECK(await(pool.run(answer)) == 42);
}

TEST_CASE("a full queue and a closed pool refuse work at once") {
  test::EmptyDatabase database;
  auto small = settings(database.url(), 1);
  small.max_queued = 1;
  TransactionPool pool{small};
  asio::io_context loop;
  std::latch begun{1};
  std::latch release{1};
  auto running = pool.run([&](pqxx::connection&) {
    begun.count_down();
    release.wait();
  });
  auto first = asio::co_spawn(loop, std::move(running), asio::use_future);
  loop.poll();
  begun.wait();
  auto waiting = asio::co_spawn(loop, pool.run(answer), asio::use_future);
  loop.poll();
  CHECK(pool.queued() == 1);
  CHECK_THROWS_AS(await(pool.run(answer)), PoolUnavailable);
  release.count_down();
  pool.close();
  loop.run();
  CHECK(waiting.get() == 42);
  CHECK_THROWS_AS(await(pool.run(answer)), PoolUnavailable);
}

namespace {

/// A pool of one thread that is busy until release(), and what becomes of the work behind.
struct BusyPool {
  test::EmptyDatabase database;
  TransactionPool pool;
  asio::io_context loop;
  std::latch begun{1};
  std::latch released{1};
  std::string done;     ///< the shares of the jobs that ran, in their order
  std::string refused;  ///< and of those that did not

  explicit BusyPool(PoolSettings const& base)
      : pool{[&] {
          auto with_url = base;
          with_url.url = database.url();
          return with_url;
        }()} {
    auto busy = pool.run([this](pqxx::connection&) {
      begun.count_down();
      released.wait();
    });
    asio::co_spawn(loop, std::move(busy), asio::detached);
    loop.poll();
    begun.wait();
  }

  void add(std::string const& share, int jobs = 1) {
    for (int i = 0; i < jobs; ++i)
      asio::co_spawn(loop, pool.run(answer, share),
                     [this, share](std::exception_ptr const& failed, int) { (failed ? refused : done) += share; });
    loop.poll();
  }
  void release() {
    released.count_down();
    loop.run();
  }
};

}  // namespace

TEST_CASE("one share's backlog holds no other share up") {
  BusyPool busy{settings({}, 1)};
  busy.add("a", 4);
  busy.add("b");
  busy.release();
  CHECK(busy.done == "abaaa");
}

TEST_CASE("a share has a bound of its own") {
  auto bounded = settings({}, 1);
  bounded.max_queued_of_share = 2;
  BusyPool busy{bounded};
  busy.add("a", 5);
  busy.add("b");
  CHECK(busy.refused == "aaa");
  busy.release();
  CHECK(busy.done == "aba");
}

TEST_CASE("work that waited too long for a thread is refused") {
  auto bounded = settings({}, 1);
  bounded.max_wait = std::chrono::milliseconds{20};
  BusyPool busy{bounded};
  busy.add("a", 2);
  std::this_thread::sleep_for(std::chrono::milliseconds{40});
  busy.release();
  CHECK(busy.refused == "aa");
  CHECK(await(busy.pool.run(answer)) == 42);
}

TEST_CASE("every new connection is prepared, and every job is observed") {
  test::EmptyDatabase database;
  std::atomic<int> observed{0};
  auto prepared = settings(database.url(), 1);
  prepared.on_connect = [](pqxx::connection& connection) { connection.prepare("answer", "SELECT 42"); };
  prepared.observe = [&](std::chrono::nanoseconds queued, std::chrono::nanoseconds ran) {
    if (queued.count() >= 0 && ran.count() > 0) ++observed;
  };
  TransactionPool pool{prepared};
  auto const ask = [](pqxx::connection& connection) {
    return pqxx::nontransaction{connection}.exec(pqxx::prepped{"answer"}).one_field().as<int>();
  };
  CHECK(await(pool.run(ask)) == 42);
  CHECK(await(pool.run(ask)) == 42);
  CHECK(observed == 2);
}

TEST_CASE("a migration under a prepared statement fails nobody's work, and neither does a server that forgot it") {
  test::EmptyDatabase database;
  pqxx::connection admin{database.url()};
  pqxx::nontransaction migration{admin};
  migration.exec("CREATE TABLE people AS SELECT 1 AS id");
  TransactionPool pool{settings(database.url(), 1)};
  auto runs = 0;
  auto const columns = [&](pqxx::connection& connection) {
    ++runs;
    pqxx::nontransaction query{connection};
    return run_prepared(query, {"people", "SELECT * FROM people"}, {}).columns();
  };
  CHECK(await(pool.run(columns)) == 1);
  CHECK(await(pool.run(columns)) == 1);
  migration.exec("ALTER TABLE people ADD COLUMN name text");
  CHECK(await(pool.run(columns)) == 2);
  CHECK(runs == 4);  // the one that failed was run again
  auto const forget = [](pqxx::connection& connection) { pqxx::nontransaction{connection}.exec("DEALLOCATE ALL"); };
  await(pool.run([&](pqxx::connection& connection) { return forget(connection), 0; }));
  CHECK(await(pool.run(columns)) == 2);
  // Within a transaction the whole work is done again.
  auto prepared = false;
  auto const in_transaction = [&](pqxx::connection& connection) {
    if (!std::exchange(prepared, true)) {
      connection.prepare("answer", "SELECT 42");
      forget(connection);
    } else {
      connection.prepare("answer", "SELECT 42");
    }
    pqxx::work transaction{connection};
    auto const found = transaction.exec(pqxx::prepped{"answer"}).one_field().as<int>();
    transaction.commit();
    return found;
  };
  CHECK(await(pool.run(in_transaction)) == 42);
}

TEST_CASE("a session makes its plans anew while it is young, as tables grow under them") {
  test::EmptyDatabase database;
  // Whether a kept plan is still the one that was made before the planner was told otherwise.
  auto const has_old_plan = [](TransactionPool& pool) {
    return await(pool.run([](pqxx::connection& connection) {
      pqxx::nontransaction query{connection};
      return query.query_value<std::string>("EXPLAIN (FORMAT json) EXECUTE kept(1)").find("Index") != std::string::npos;
    }));
  };
  auto const plan = [&](TransactionPool& pool) {
    await(pool.run([](pqxx::connection& connection) {
      pqxx::nontransaction query{connection};
      query.exec("SET plan_cache_mode = force_generic_plan; PREPARE kept AS SELECT 1 FROM pg_class WHERE oid = $1");
      query.exec("EXPLAIN EXECUTE kept(1)");
      query.exec("SET enable_indexscan = off; SET enable_indexonlyscan = off; SET enable_bitmapscan = off");
      return 0;
    }));
  };
  auto given = settings(database.url(), 1);
  given.plan_again_after = std::chrono::hours{1};
  TransactionPool old{given};
  plan(old);
  CHECK(has_old_plan(old));

  given.plan_again_after = std::chrono::milliseconds{1};
  TransactionPool young{given};
  plan(young);
  auto const deadline = std::chrono::steady_clock::now() + std::chrono::seconds{10};
  while (has_old_plan(young) && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  CHECK(!has_old_plan(young));
}

TEST_CASE("a statement without end is stopped, which is transient") {
  test::EmptyDatabase database;
  auto impatient = settings(database.url(), 1);
  impatient.statement_timeout_ms = 50;
  TransactionPool pool{impatient};
  try {
    await(pool.run([](pqxx::connection& connection) { pqxx::nontransaction{connection}.exec("SELECT pg_sleep(60)"); }));
    FAIL("did not stop");
  } catch (std::exception const& error) {
    CHECK(classify_database_error(error) == DatabaseError::transient);
  }
}

TEST_CASE("a lock that somebody holds is an outage, told from a slow statement before that is stopped") {
  test::EmptyDatabase database;
  pqxx::connection admin{database.url()};
  pqxx::nontransaction{admin}.exec("CREATE TABLE wanted ()");
  pqxx::work holding{admin};
  holding.exec("LOCK TABLE wanted");
  auto impatient = settings(database.url(), 1);
  impatient.statement_timeout_ms = 150;
  TransactionPool pool{impatient};
  try {
    await(pool.run([](pqxx::connection& connection) { pqxx::nontransaction{connection}.exec("SELECT FROM wanted"); }));
    FAIL("did not wait");
  } catch (std::exception const& error) {
    CHECK(classify_database_error(error) == DatabaseError::outage);
  }
}

TEST_CASE("a database that cannot be reached is an outage") {
  TransactionPool pool{settings("postgresql://nobody@127.0.0.1:1/nothing", 1)};
  CHECK(failure_of(pool) == DatabaseError::outage);
}

TEST_CASE("a restart of PostgreSQL costs the work of that moment and nothing more") {
  Cluster cluster;
  TransactionPool pool{settings(cluster.run("url"), 1)};
  CHECK(await(pool.run(answer)) == 42);
  cluster.run("restart");
  CHECK(failure_of(pool) == DatabaseError::outage);
  CHECK(await(pool.run(answer)) == 42);

  cluster.run("stop");
  CHECK(failure_of(pool) == DatabaseError::outage);
  CHECK(failure_of(pool) == DatabaseError::outage);
  cluster.run("up");
  CHECK(await(pool.run(answer)) == 42);
}
