#include "engine/worker.hpp"

#include "config/descriptors.hpp"
#include "engine/replay/replay_arguments.hpp"
#include "engine/replay/replay_plan.hpp"
#include "engine/replay/replay_session.hpp"
#include "engine/worker_settings.hpp"
#include "http/admin_server.hpp"
#include "http/loop_watch.hpp"
#include "kafka/topics.hpp"
#include "ledger/database_age.hpp"
#include "observability/log.hpp"
#include "observability/log_output.hpp"
#include "observability/metrics.hpp"
#include "postgres/inbox.hpp"
#include "postgres/pool.hpp"
#include "sealing/sealer.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <csignal>
#include <exception>
#include <iostream>
#include <mutex>
#include <optional>
#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <pqxx/connection>
#include <pqxx/except>
#include <unistd.h>

namespace omnibus::engine {
namespace {

constexpr std::chrono::seconds probe_timeout{5};
constexpr std::chrono::hours inbox_margin{24};
constexpr std::chrono::minutes prune_interval{10};
constexpr std::int64_t prune_size = 10'000;
constexpr std::chrono::seconds database_patience{1};

/// Ends the process when a stop takes too long: a hung dependency must not prevent the replacement of a worker.
class Watchdog {
 public:
  explicit Watchdog(std::chrono::milliseconds limit)
      : thread_{[this, limit] {
          std::unique_lock lock{mutex_};
          if (done_.wait_for(lock, limit, [this] { return finished_; })) return;
          log::error("the stop took too long; leaving without it");
          log::leave(1);
        }} {}
  ~Watchdog() {
    {
      std::scoped_lock const lock{mutex_};
      finished_ = true;
    }
    done_.notify_one();
    thread_.join();
  }

 private:
  std::mutex mutex_;
  std::condition_variable done_;
  bool finished_ = false;
  std::thread thread_;
};

/// Shows the engine's counters as metrics, read on request.
class EngineMetrics {
 public:
  explicit EngineMetrics(Counters const& counters) : counters_{counters} {
    hook_ = metrics_.on_collect([this] { collect(); });
  }

 private:
  void collect() {
    auto const seconds = [](std::atomic<std::int64_t> const& ms) { return static_cast<double>(ms.load()) / 1000; };
    in_flight_.set(static_cast<double>(counters_.in_flight.load()));
    queued_bytes_.set(static_cast<double>(counters_.queued_bytes.load()));
    stuck_keys_.set(static_cast<double>(counters_.stuck_keys.load()));
    commit_lag_.set(static_cast<double>(counters_.uncommitted.load()));
    unpublished_.set(static_cast<double>(counters_.unpublished.load()));
    oldest_.set(seconds(counters_.oldest_unprocessed_ms));
    paused_.set(counters_.paused ? static_cast<double>(counters_.partitions.load()) : 0);
    // Read one after the other while the engine runs: a difference may be off by one, never below zero.
    auto const minus = [](std::uint64_t whole, std::uint64_t part) { return whole > part ? whole - part : 0; };
    auto const dead = counters_.dead_lettered.load();
    auto const erased = counters_.erased.load();
    raise(handled_, minus(counters_.handled.load(), dead + erased));
    raise(erased_, erased);
    raise(tombstones_, counters_.tombstones.load());
    raise(dead_lettered_, dead);
    raise(fenced_, counters_.fenced.load());
    raise(retries_, counters_.retried.load());
    raise(deferrals_, counters_.deferred.load());
    raise(malformed_, counters_.dead_malformed.load());
    raise(exhausted_, counters_.dead_exhausted.load());
    raise(permanent_, minus(dead, counters_.dead_malformed.load() + counters_.dead_exhausted.load()));
  }
  static void raise(Counter const& counter, std::uint64_t total) {
    counter.add(std::max(0.0, static_cast<double>(total) - counter.value()));
  }

  Counters const& counters_;
  Metrics& metrics_ = Metrics::process();
  Gauge in_flight_ = metrics_.gauge<Metric::in_flight>();
  Gauge queued_bytes_ = metrics_.gauge<Metric::queued_bytes>();
  Gauge stuck_keys_ = metrics_.gauge<Metric::stuck_keys>();
  Gauge commit_lag_ = metrics_.gauge<Metric::commit_lag>();
  Gauge unpublished_ = metrics_.gauge<Metric::outbox_unpublished>();
  Gauge oldest_ = metrics_.gauge<Metric::oldest_unprocessed>();
  Gauge paused_ = metrics_.gauge<Metric::paused>();
  Counter handled_ = metrics_.counter<Metric::events>("handled");
  Counter dead_lettered_ = metrics_.counter<Metric::events>("dead_lettered");
  Counter erased_ = metrics_.counter<Metric::events>("erased");
  Counter tombstones_ = metrics_.counter<Metric::tombstones>();
  Counter fenced_ = metrics_.counter<Metric::events>("fenced");
  Counter retries_ = metrics_.counter<Metric::retries>();
  Counter deferrals_ = metrics_.counter<Metric::deferrals>();
  Counter malformed_ = metrics_.counter<Metric::dead_letters>("malformed");
  Counter permanent_ = metrics_.counter<Metric::dead_letters>("permanent");
  Counter exhausted_ = metrics_.counter<Metric::dead_letters>("exhausted");
  Metrics::Hook hook_;
};

/// Asks until the cluster answers: a worker that starts before its broker waits for it. Nothing once it must stop.
std::optional<kafka::ClusterAbilities> wait_for_cluster(kafka::ClientSettings const& client,
                                                        boost::asio::io_context& loop,
                                                        boost::asio::signal_set& signals) {
  bool stop = false;
  signals.async_wait([&](boost::system::error_code const& error, int) { stop = !error; });
  while (loop.poll(), !stop) {
    try {
      auto const abilities = kafka::probe_cluster(client, probe_timeout);
      signals.cancel();
      loop.poll();
      loop.restart();
      if (stop) return std::nullopt;
      return abilities;
    } catch (kafka::Error const& error) {
      if (!error.retriable()) throw;
      log::warn("waiting for Kafka: check KAFKA_BROKERS", {{"brokers", client.brokers}, {"reason", error.what()}});
    }
  }
  return std::nullopt;
}

kafka::GroupProtocol choose_protocol(Protocol wanted, kafka::ClusterAbilities const& abilities) {
  if (wanted == Protocol::automatic) return abilities.group_protocol();
  return wanted == Protocol::consumer ? kafka::GroupProtocol::consumer : kafka::GroupProtocol::classic;
}

/// Deletes the worker's inbox rows older than the retention of its topics: these events cannot be delivered again.
Task<> prune_inbox_for_ever(boost::asio::io_context& loop, TransactionPool& pool, std::string worker) {
  auto const retention = kafka::TopicCatalog::built_in().longest_retention(worker);
  if (!retention) co_return;  // a topic that keeps its records without limit needs its inbox rows without limit
  auto const age = std::chrono::duration_cast<std::chrono::hours>(*retention) + inbox_margin;
  boost::asio::steady_timer timer{loop};
  for (;;) {
    timer.expires_after(prune_interval);
    auto wait = timer.async_wait(boost::asio::use_awaitable);
    co_await std::move(wait);
    try {
      std::int64_t removed = prune_size;
      while (removed == prune_size) {
        auto job = pool.run([&worker, age](pqxx::connection& connection) {
          return postgres::prune_inbox(connection, worker, age, prune_size);
        });
        removed = co_await std::move(job);
      }
    } catch (std::exception const& error) {
      log::warn("the inbox could not be pruned", {{"reason", error.what()}});
    }
  }
}

std::string instance_name(std::string_view worker) {
  char host[256] = "unknown";
  gethostname(host, sizeof host - 1);
  return fmt::format("{}@{}:{}", worker, static_cast<char const*>(host), getpid());
}

EngineSettings engine_settings(WorkerSettings const& settings) {
  EngineSettings engine;
  engine.max_in_flight = static_cast<std::size_t>(settings.max_in_flight);
  engine.max_queued_bytes = settings.max_queued_bytes.bytes;
  engine.commit_interval = settings.commit_interval;
  engine.drain_deadline = settings.drain_deadline;
  engine.recoverability.max_attempts = static_cast<std::uint32_t>(settings.max_attempts);
  engine.recoverability.base_delay = settings.retry_base_delay;
  engine.recoverability.longest_delay = settings.retry_longest_delay;
  return engine;
}

kafka::ConsumerSettings consumer_settings(std::string_view worker, WorkerSettings const& settings,
                                          kafka::ClusterAbilities const& abilities) {
  kafka::ConsumerSettings consumer;
  consumer.group = settings.kafka_group.empty() ? fmt::format("omnibus-{}", worker) : settings.kafka_group;
  for (auto const* const topic : kafka::TopicCatalog::built_in().consumed_by(worker))
    consumer.topics.push_back(topic->name);
  consumer.protocol = choose_protocol(settings.kafka_group_protocol, abilities);
  consumer.instance_id = settings.kafka_instance_id;
  consumer.session_timeout = settings.kafka_session_timeout;
  consumer.prefetch_bytes = static_cast<std::int64_t>(settings.prefetch_bytes.bytes);
  consumer.fetch_bytes = 2 * consumer.prefetch_bytes;
  return consumer;
}

Timings timings() {
  auto& metrics = Metrics::process();
  return {&metrics.local_histogram<Metric::handler_duration>(),
          &metrics.local_histogram<Metric::database_transaction_duration>("committed"),
          &metrics.local_histogram<Metric::database_transaction_duration>("failed"),
          &metrics.local_histogram<Metric::database_transaction_duration>("in_doubt")};
}

/// Checks that the worker can open and seal what tenants want sealed, and that the database forgot no erasure; waits
/// for the database. False once it must stop.
bool wait_for_database(sealing::Sealer& sealer, ledger::DatabaseAge& age, PoolSettings const& database,
                       boost::asio::io_context& loop, boost::asio::signal_set& signals) {
  bool stop = false;
  signals.async_wait([&](boost::system::error_code const& error, int) { stop = !error; });
  while (loop.poll(), !stop) {
    try {
      auto const connection = postgres::connect(database);
      sealer.require_keys(*connection);
      age.check(*connection);
      break;
    } catch (kafka::Error const& error) {
      if (!error.retriable()) throw;
      log::warn("waiting for the ledger of erasures: check KAFKA_BROKERS", {{"reason", error.what()}});
      std::this_thread::sleep_for(database_patience);
    } catch (pqxx::broken_connection const& error) {
      log::warn("waiting for PostgreSQL: check DATABASE_URL", {{"reason", error.what()}});
      std::this_thread::sleep_for(database_patience);
    }
  }
  signals.cancel();
  loop.poll();
  loop.restart();
  return !stop;
}

int run(std::string_view worker, WorkerSettings const& settings, kafka::ClientSettings const& client,
        sealing::MasterKeySettings const& master_keys, MakeWork const& make_work,
        std::optional<ReplayArguments> const& replaying) {
  log::configure(worker, settings.log_level);
  Metrics::process().gauge<Metric::build_info>(worker, "0.1.0").set(1);
  http::AdminServer admin{settings.metrics_listen.host, settings.metrics_listen.port};
  auto const ready = admin.add_check("engine");
  std::signal(SIGPIPE, SIG_IGN);
  config::raise_descriptor_limit();  // a call to a model takes one

  boost::asio::io_context loop{1};
  boost::asio::signal_set signals{loop, SIGTERM, SIGINT};
  auto const abilities = wait_for_cluster(client, loop, signals);
  if (!abilities) return 0;

  PoolSettings pool_settings;
  auto const& own_url =
      replaying && !settings.replay_database_url.empty() ? settings.replay_database_url : settings.database_url;
  pool_settings.url = own_url.reveal();
  pool_settings.size = static_cast<std::size_t>(settings.database_pool);
  pool_settings.application_name = instance_name(worker);
  auto consumer = consumer_settings(worker, settings, *abilities);
  std::optional<ReplaySession> replay;
  Identity identity{std::string{worker}, consumer.group, instance_name(worker), {}, {}};
  if (replaying) {
    replay.emplace(*replaying, identity.worker, identity.group, identity.instance, client, pool_settings);
    if (replay->ended()) return replay->finish(nullptr);
    identity.group = consumer.group = replay->run().group;
    consumer.topics = replay->run().topics;
    consumer.tell_ends = true;
    identity.run_id = replay->run().id();
    identity.run = replay->run().run;
  }
  sealing::Sealer sealer{sealing::MasterKeys{master_keys}};
  ledger::DatabaseAge age{client, worker};
  if (!wait_for_database(sealer, age, pool_settings, loop, signals)) return 0;
  TransactionPool pool{std::move(pool_settings)};
  // A committed record is published after any outage of the broker; rows left at the end stay in the outbox.
  kafka::ProducerSettings publishing;
  publishing.message_timeout = std::chrono::milliseconds{0};
  kafka::Producer producer{client, publishing};
  Resources resources{loop,
                      pool,
                      replay.has_value(),
                      identity.run_id,
                      static_cast<std::uint32_t>(settings.max_attempts),
                      client,
                      master_keys,
                      &sealer};
  auto const work = make_work(resources);

  log::info("starting", {{"group", consumer.group},
                         {"protocol", kafka::to_string(consumer.protocol)},
                         {"topics", consumer.topics.size()},
                         {"brokers", client.brokers}});
  Engine engine{loop,
                std::move(identity),
                engine_settings(settings),
                client,
                std::move(consumer),
                Ports{producer, &pool, timings(), [ready](bool is) { ready->set(is); }, [] { log::leave(1); },
                      replay ? &replay->replay() : nullptr, &sealer},
                *work};
  EngineMetrics const metrics{engine.counters()};

  std::optional<Watchdog> watchdog;
  auto const leave = [&] {
    if (watchdog) return;
    watchdog.emplace(engine.drain_deadline() + std::chrono::seconds{10});
    boost::asio::co_spawn(loop, engine.stop(), [&](std::exception_ptr const&, bool clean) {
      // Running handlers still use the objects that would be destroyed now.
      if (!clean) log::leave(replay ? ReplaySession::not_ended : 0);
      loop.stop();
    });
  };
  signals.async_wait([&](boost::system::error_code const& error, int) {
    if (!error) leave();
  });
  if (replay)
    boost::asio::co_spawn(loop, replay->watch(engine, pool), [&](std::exception_ptr const&) { leave(); });
  else
    boost::asio::co_spawn(loop, prune_inbox_for_ever(loop, pool, std::string{worker}), boost::asio::detached);
  boost::asio::co_spawn(loop, sealing::keep_fresh(sealer, pool), boost::asio::detached);
  boost::asio::co_spawn(loop, ledger::watch(age, pool), ledger::leave);
  engine.start();
  {
    http::LoopWatch const watch{admin, loop, settings.max_loop_stall};
    loop.run();
  }
  pool.close();
  return replay ? replay->finish(&engine) : 0;
}

}  // namespace

int run_worker(config::Program const& program, config::Catalogue& settings, int argc, char** argv,
               MakeWork const& make_work) {
  WorkerSettings worker_settings;
  kafka::ClientSettings client;
  client.client_id = fmt::format("omnibus-{}", program.name);
  settings.add(client, "KAFKA_");
  settings.add(worker_settings);
  sealing::MasterKeySettings master_keys;
  settings.add(master_keys);
  auto const binary = fmt::format("omnibus-{}", program.name);
  std::optional<ReplayArguments> replay;
  auto described = program;
  described.name = binary;
  described.add_options = [&](CLI::App& application) { add_replay_options(application, program.name, replay); };
  if (auto const status = config::configure(described, settings, argc, argv)) return *status;
  try {
    if (replay && replay->dry_run) {
      log::configure(program.name, log::Level::error);
      auto const plan = plan_replay(client, std::string{program.name}, replay->topics, *replay->from, *replay->to);
      std::cout << to_text(plan) << std::flush;
      return 0;
    }
    return run(program.name, worker_settings, client, master_keys, make_work, replay);
  } catch (std::exception const& error) {
    log::error("the worker cannot run", {{"reason", error.what()}});
    return 1;
  }
}

}  // namespace omnibus::engine
