#include "engine/worker.hpp"

#include "concurrency/event_loops.hpp"
#include "config/descriptors.hpp"
#include "engine/engine_metrics.hpp"
#include "engine/engines.hpp"
#include "engine/loop_count.hpp"
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

#include <condition_variable>
#include <csignal>
#include <exception>
#include <iostream>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
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
  engine.max_working_bytes = settings.max_working_bytes.bytes;
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

/// What a loop's handler and engine work with, besides what the loops share.
struct LoopParts {
  LoopParts(boost::asio::io_context& loop, PoolSettings const& database, LoopPlace place)
      : pool{pool_of(database, place)}, resources{loop, pool} {
    resources.place = place;
  }
  static PoolSettings pool_of(PoolSettings settings, LoopPlace place) {
    settings.size = place.part_of(settings.size);
    return settings;
  }

  TransactionPool pool;
  Resources resources;
  std::unique_ptr<Work> work = nullptr;
};

/// What it is called of each loop; the number of the first is left out.
std::string name_of(std::string_view what, std::size_t loop) {
  return loop == 0 ? std::string{what} : fmt::format("{} {}", what, loop);
}

int run(std::string_view worker, WorkerSettings const& settings, kafka::ClientSettings const& client,
        sealing::MasterKeySettings const& master_keys, MakeWork const& make_work,
        std::optional<ReplayArguments> const& replaying) {
  log::configure(worker, settings.log_level);
  EventLoops loops{count_loops(settings, replaying.has_value())};
  auto& loop = loops.first();
  boost::asio::signal_set signals{loop, SIGTERM, SIGINT};  // first: whoever has read a line may ask it to stop
  if (!replaying) tell_of_loops(settings, worker, loops.count());
  Metrics::process().gauge<Metric::build_info>(worker, "0.1.0").set(1);
  http::AdminServer admin{settings.metrics_listen.host, settings.metrics_listen.port};
  std::vector<std::shared_ptr<http::AdminServer::Check>> ready;
  for (std::size_t i = 0; i < loops.count(); ++i) ready.push_back(admin.add_check(name_of("engine", i)));
  std::signal(SIGPIPE, SIG_IGN);
  // A call to a model takes one.
  config::raise_descriptor_limit(static_cast<std::uint64_t>(settings.max_in_flight) + config::other_descriptors);

  auto const abilities = wait_for_cluster(client, loop, signals);
  if (!abilities) return 0;

  PoolSettings database;
  auto const& own_url =
      replaying && !settings.replay_database_url.empty() ? settings.replay_database_url : settings.database_url;
  database.url = own_url.reveal();
  database.size = static_cast<std::size_t>(settings.database_pool);
  database.application_name = instance_name(worker);
  EnginePlan plan{{}, engine_settings(settings), client, consumer_settings(worker, settings, *abilities)};
  auto& identity = plan.identity;
  auto& consumer = plan.consumer;
  identity = {std::string{worker}, consumer.group, instance_name(worker), {}, {}};
  std::optional<ReplaySession> replay;
  if (replaying) {
    replay.emplace(*replaying, identity.worker, identity.group, identity.instance, client, database);
    if (replay->ended()) return replay->finish(nullptr);
    identity.group = consumer.group = replay->run().group;
    consumer.topics = replay->run().topics;
    consumer.tell_ends = true;
    identity.run_id = replay->run().id();
    identity.run = replay->run().run;
  }
  sealing::Sealer sealer{sealing::MasterKeys{master_keys}};
  ledger::DatabaseAge age{client, worker};
  if (!wait_for_database(sealer, age, database, loop, signals)) return 0;
  // A committed record is published after any outage of the broker; rows left at the end stay in the outbox.
  kafka::ProducerSettings publishing;
  publishing.message_timeout = std::chrono::milliseconds{0};
  kafka::Producer producer{client, publishing};
  auto const shared = std::make_shared<SharedObjects>();
  std::vector<std::unique_ptr<LoopParts>> parts;
  for (std::size_t i = 0; i < loops.count(); ++i) {
    auto& own = *parts.emplace_back(std::make_unique<LoopParts>(loops.at(i), database, LoopPlace{i, loops.count()}));
    auto& resources = own.resources;
    resources.replay = replay.has_value();
    resources.run_id = identity.run_id;
    resources.max_attempts = static_cast<std::uint32_t>(settings.max_attempts);
    resources.kafka = client;
    resources.master = master_keys;
    resources.sealer = &sealer;
    resources.shared = shared;
    own.work = make_work(resources);
  }

  log::info("starting", {{"group", consumer.group},
                         {"protocol", kafka::to_string(consumer.protocol)},
                         {"topics", consumer.topics.size()},
                         {"loops", loops.count()},
                         {"brokers", client.brokers}});
  Engines engines{loops, plan, [&](LoopPlace place) {
                    auto& own = *parts[place.index];
                    return Engines::Parts{
                        Ports{producer, &own.pool, timings(), [check = ready[place.index]](bool is) { check->set(is); },
                              [] { log::leave(1); }, replay ? &replay->replay() : nullptr, &sealer},
                        *own.work};
                  }};
  EngineMetrics const metrics{engines};

  std::optional<Watchdog> watchdog;
  auto const leave = [&] {
    if (watchdog) return;
    watchdog.emplace(engines.drain_deadline() + std::chrono::seconds{10});
    boost::asio::co_spawn(loop, engines.stop(), [&](std::exception_ptr const&, bool clean) {
      // Running handlers still use the objects that would be destroyed now.
      if (!clean) log::leave(replay ? ReplaySession::not_ended : 0);
      loops.stop();
    });
  };
  signals.async_wait([&](boost::system::error_code const& error, int) {
    if (!error) leave();
  });
  auto& pool = parts.front()->pool;
  if (replay)
    boost::asio::co_spawn(loop, replay->watch(engines.first(), pool), [&](std::exception_ptr const&) { leave(); });
  else
    boost::asio::co_spawn(loop, prune_inbox_for_ever(loop, pool, std::string{worker}), boost::asio::detached);
  boost::asio::co_spawn(loop, sealing::keep_fresh(sealer, pool), boost::asio::detached);
  boost::asio::co_spawn(loop, ledger::watch(age, pool), ledger::leave);
  engines.start();
  {
    std::vector<std::unique_ptr<http::LoopWatch>> watches;
    for (std::size_t i = 0; i < loops.count(); ++i)
      watches.push_back(
          std::make_unique<http::LoopWatch>(admin, loops.at(i), settings.max_loop_stall, name_of("event loop", i)));
    loops.run();
  }
  for (auto const& own : parts) own->pool.close();
  return replay ? replay->finish(&engines.first()) : 0;
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
  auto environment = config::environment();
  described.add_options = [&](CLI::App& application) {
    application
        .add_option_function<std::string>(
            "--loops", [&](std::string const& count) { environment["LOOPS"] = count; },
            "Event loops in this process, in place of LOOPS")
        ->type_name("N")
        ->take_last();
    add_replay_options(application, program.name, replay);
  };
  if (auto const status = config::configure(described, settings, argc, argv, std::cout, std::cerr, environment))
    return *status;
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
