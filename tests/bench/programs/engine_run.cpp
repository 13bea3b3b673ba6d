#include "engine_run.hpp"

#include "bench_event.hpp"
#include "bench_request.hpp"
#include "concurrency/event_loops.hpp"
#include "engine/engines.hpp"
#include "engine/handler_work.hpp"
#include "handler/failure.hpp"
#include "http/client.hpp"
#include "kafka/admin.hpp"
#include "llm/openai_client.hpp"
#include "observability/metrics.hpp"
#include "sequence.hpp"
#include "tally.hpp"
#include "time/time.hpp"
#include "usage.hpp"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <exception>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/core.h>
#include <unistd.h>

namespace omnibus::bench {
namespace {

constexpr std::chrono::seconds told_after{2};  // by then the positions of what is done are committed

std::uint32_t number_of(std::optional<std::uint32_t> number) {
  if (!number) throw Failure::permanent("the data has no \"seq\" that counts from 0");
  return *number;
}

std::uint64_t hash_of(std::string_view key) {
  return std::hash<std::string_view>{}(key);
}

/// As a handler is whose functions are no coroutines.
class ImmediateWork : public engine::Work {
 public:
  bool never_waits() const final { return true; }
  Task<> handle(Context& context) final {
    handle_now(context);
    co_return;
  }
};

class NoWork final : public ImmediateWork {
 public:
  explicit NoWork(Tally& tally) : tally_{tally} {}
  void handle_now(Context& context) override {
    tally_.handled(hash_of(context.key()), number_of(sequence_of(context.value())));
  }

 private:
  Tally& tally_;
};

class ParseWork final : public ImmediateWork {
 public:
  ParseWork(Tally& tally, bool with_envelope) : tally_{tally}, with_envelope_{with_envelope} {}
  void handle_now(Context& context) override {
    if (with_envelope_ && context.event().type != BenchEvent::type)
      throw Failure::permanent("none of the filler's events");
    auto const event = json::decode<BenchEvent>(with_envelope_ ? context.data() : context.value());
    auto const counts = event && event->seq >= 0 && event->seq < std::numeric_limits<std::uint32_t>::max();
    tally_.handled(hash_of(context.key()),
                   number_of(counts ? std::optional{static_cast<std::uint32_t>(event->seq)} : std::nullopt));
  }

 private:
  Tally& tally_;
  bool with_envelope_;
};

class TypedWork final : public ImmediateWork {
 public:
  explicit TypedWork(Tally& tally) : tally_{tally} {}
  void handle_now(Context& context) override {
    if (context.event().type != BenchEvent::type) throw Failure::permanent("none of the filler's events");
    auto const event = decode<BenchEvent>(context);
    tally_.handled(hash_of(context.key()), static_cast<std::uint32_t>(event.seq));
  }

 private:
  Tally& tally_;
};

/// As many erasures as a database would tell of.
postgres::ErasureNews erasures(EngineRunSettings const& settings) {
  postgres::ErasureNews news;
  news.as_of = "now";
  for (std::uint32_t i = 0; i < settings.erased; ++i) news.erased.push_back(alias(random_uuid()));
  constexpr std::int32_t most_partitions = 100;
  for (std::int32_t partition = 0; settings.erased_later && partition < most_partitions; ++partition)
    news.up_to.push_back({settings.topic, partition, std::numeric_limits<std::int64_t>::max()});
  return news;
}

class HttpWork final : public engine::Work {
 public:
  HttpWork(Tally& tally, llm::LlmPort& model, std::atomic<std::uint64_t>& failed)
      : tally_{tally}, model_{model}, failed_{failed} {}
  Task<> handle(Context& context) override {
    auto const event = decode<BenchEvent>(context);
    auto const key = hash_of(context.key());
    auto const number = number_of(sequence_of(context.data()));
    if (context.attempt() == 1) tally_.begin(key, number);
    auto asking = model_.complete(bench_request(), {});
    try {
      co_await std::move(asking);
    } catch (llm::LlmError const& error) {
      if (++failed_ == 1) fmt::print(stderr, "first failure of the model: {}\n", error.what());
      throw Failure::transient(error.what());
    }
    tally_.end(key, number);
  }

 private:
  Tally& tally_;
  llm::LlmPort& model_;
  std::atomic<std::uint64_t>& failed_;
};

/// So much of the topic is behind the group's positions; waits for a cluster's first group to have a coordinator.
std::int64_t covered(kafka::Admin const& admin, EngineRunSettings const& settings) {
  for (auto const deadline = std::chrono::steady_clock::now() + std::chrono::seconds{30};;) {
    try {
      std::int64_t sum = 0;
      for (auto const& each : admin.group_lag(settings.group, {settings.topic}))
        sum += std::max(each.committed, each.watermarks.low);
      return sum;
    } catch (kafka::Error const& error) {
      if (!error.retriable() || std::chrono::steady_clock::now() > deadline) throw;
      std::this_thread::sleep_for(std::chrono::milliseconds{100});
    }
  }
}

/// Has some keys fail, and notes how long the others took; in the second half, when what had come before the engine
/// joined is worked off.
class FailingWork final : public engine::Work {
 public:
  FailingWork(engine::Work& inner, std::uint32_t failing, Tally const& tally)
      : inner_{inner}, failing_{failing}, tally_{tally} {}
  Task<> handle(Context& context) override {
    auto const fails = hash_of(context.key()) % 1000 < failing_;
    if (fails && context.attempt() == 1) throw Failure::transient("one of the keys that fail");
    auto handling = inner_.handle(context);
    co_await std::move(handling);
    if (!fails && tally_.second_half())
      milliseconds_.push_back(static_cast<std::int32_t>(wall_clock_ms() - context.timestamp_ms()));
  }

  std::vector<std::int32_t> const& milliseconds() const { return milliseconds_; }

 private:
  engine::Work& inner_;
  std::uint32_t const failing_;
  Tally const& tally_;
  std::vector<std::int32_t> milliseconds_;
};

/// Never ends the first record.
class StuckWork final : public engine::Work {
 public:
  StuckWork(engine::Work& inner, boost::asio::io_context& loop) : inner_{inner}, for_ever_{loop} {}
  Task<> handle(Context& context) override {
    if (std::exchange(begun_, true)) {
      auto handling = inner_.handle(context);
      co_return co_await std::move(handling);
    }
    for_ever_.expires_at(boost::asio::steady_timer::time_point::max());
    auto wait = for_ever_.async_wait(boost::asio::use_awaitable);
    co_await std::move(wait);
  }

 private:
  engine::Work& inner_;
  boost::asio::steady_timer for_ever_;
  bool begun_ = false;
};

double quantile(std::vector<std::int32_t>& values, double share) {
  if (values.empty()) return 0;
  auto const at = static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + at, values.end());
  return values[static_cast<std::size_t>(at)];
}

/// What one loop does with its events.
class LoopWork {
 public:
  LoopWork(EngineRunSettings const& settings, boost::asio::io_context& loop, LoopPlace place, Tally& tally,
           std::atomic<std::uint64_t>& failed_requests)
      : settings_{settings}, http_{loop, http_settings(settings, place)} {
    switch (settings.work) {
      case EngineWork::none:
        work_ = std::make_unique<NoWork>(tally);
        break;
      case EngineWork::parse:
      case EngineWork::event:
        work_ = std::make_unique<ParseWork>(tally, settings.work == EngineWork::event);
        break;
      case EngineWork::typed:
        work_ = std::make_unique<TypedWork>(tally);
        break;
      case EngineWork::http:
        model_.emplace(http_, llm::OpenAiSettings{settings.llm_url, "", 1024 * 1024, "max_completion_tokens"});
        work_ = std::make_unique<HttpWork>(tally, *model_, failed_requests);
        break;
    }
    failing_.emplace(*work_, settings.failing_keys, tally);
    stuck_.emplace(*work_, loop);
  }

  engine::Work& chosen() {
    if (settings_.stuck) return *stuck_;
    return settings_.measures_latency ? static_cast<engine::Work&>(*failing_) : *work_;
  }
  std::vector<std::int32_t> const& milliseconds() const { return failing_->milliseconds(); }

 private:
  static http::HttpClientSettings http_settings(EngineRunSettings const& settings, LoopPlace place) {
    http::HttpClientSettings http;
    http.max_connections_per_host = place.part_of(settings.max_in_flight);
    http.connect_timeout = longest_connect;
    return http;
  }

  EngineRunSettings const& settings_;
  http::Client http_;
  std::optional<llm::OpenAiClient> model_;
  std::unique_ptr<engine::Work> work_;
  std::optional<FailingWork> failing_;
  std::optional<StuckWork> stuck_;
};

/// The engines and what they stand on.
class Bench {
 public:
  Bench(EngineRunSettings const& settings, kafka::ClientSettings const& client, kafka::GroupProtocol protocol)
      : settings_{settings},
        loops_{settings.loops},
        tally_{settings.records, settings.loops > 1,
               [this] { boost::asio::dispatch(loops_.first(), [this] { stop(); }); }},
        producer_{client},
        signals_{loops_.first(), SIGINT, SIGTERM} {
    engine::EnginePlan plan{{"bench", settings.group, "bench", {}}, {}, client, {}};
    plan.consumer.group = settings.group;
    plan.consumer.topics = {settings.topic};
    plan.consumer.protocol = protocol;
    plan.consumer.prefetch_bytes = settings.prefetch_bytes;
    plan.consumer.fetch_bytes = 2 * settings.prefetch_bytes;
    plan.settings.max_in_flight = settings.max_in_flight;
    plan.settings.max_queued_bytes = settings.max_queued_bytes;
    engines_.emplace(loops_, plan, [this](LoopPlace place) {
      works_.push_back(std::make_unique<LoopWork>(settings_, loops_.at(place.index), place, tally_, failed_requests_));
      engine::Timings timings;
      timings.handler = &Metrics::process().local_histogram<Metric::handler_duration>();  // as in every worker
      return engine::Engines::Parts{engine::Ports{producer_, nullptr, timings}, works_.back()->chosen()};
    });
    if (settings.erased > 0)
      for (std::size_t i = 0; i < loops_.count(); ++i) engines_->at(i).learn(erasures(settings));
  }

  void run() {
    signals_.async_wait([this](boost::system::error_code const& error, int) {
      if (!error) stop();
    });
    boost::asio::co_spawn(loops_.first(), watch(), [](std::exception_ptr const&) {});
    engines_->start();
    loops_.run();
  }

  /// Whether every handler ended and the broker has the positions.
  bool clean() const { return clean_; }

  EngineRun report() {
    EngineRun run;
    tally_.report(run);
    run.rss_mb = peak_rss_mb();
    run.commits = engines_->sum(&engine::Counters::commits);
    run.failed_requests = failed_requests_;
    std::vector<std::int32_t> milliseconds;
    for (auto const& work : works_)
      milliseconds.insert(milliseconds.end(), work->milliseconds().begin(), work->milliseconds().end());
    run.p50_ms = quantile(milliseconds, 0.5);
    run.p99_ms = quantile(milliseconds, 0.99);
    return run;
  }

 private:
  void stop() {
    if (std::exchange(stopping_, true)) return;
    boost::asio::co_spawn(loops_.first(), engines_->stop(), [this](std::exception_ptr const& error, bool all) {
      clean_ = !error && all;
      loops_.stop();
    });
  }

  /// Says how it goes, to a person who watches, and ends a run in which nothing happens any more.
  Task<> watch() {
    boost::asio::steady_timer timer{loops_.first()};
    std::uint64_t before = 0;
    std::chrono::seconds idle{0};
    while (!stopping_ && idle < settings_.patience) {
      timer.expires_after(std::chrono::seconds{1});
      auto wait = timer.async_wait(boost::asio::use_awaitable);
      co_await std::move(wait);
      auto const count = tally_.handled_records();
      idle = count == before ? idle + std::chrono::seconds{1} : std::chrono::seconds{0};
      if (isatty(STDERR_FILENO) != 0)
        fmt::print(stderr, "\r{} of {} records, {} a second ", count, settings_.records, count - before);
      before = count;
      if (settings_.stuck && count + 1 == settings_.records && idle >= told_after) {
        fmt::print("stuck: handled={}\n", count);
        std::fflush(stdout);
      }
    }
    if (stopping_) co_return;
    fmt::print(stderr, "nothing was handled for {} s: does the topic hold {} records that the group has not seen?\n",
               idle.count(), settings_.records);
    stop();
  }

  EngineRunSettings const settings_;
  EventLoops loops_;
  std::atomic<std::uint64_t> failed_requests_{0};
  Tally tally_;
  std::vector<std::unique_ptr<LoopWork>> works_;
  kafka::Producer producer_;  // for what cannot be handled: the engine parks it
  boost::asio::signal_set signals_;
  bool stopping_ = false;
  bool clean_ = false;
  std::optional<engine::Engines> engines_;
};

}  // namespace

EngineRun run_engine(EngineRunSettings const& settings) {
  kafka::ClientSettings client;
  client.brokers = settings.brokers;
  client.client_id = "omnibus-bench";
  auto const abilities = kafka::probe_cluster(client, std::chrono::seconds{10});
  kafka::Admin const admin{client};
  // Whoever fills it may only just have begun.
  for (auto waits = 0; admin.cluster().find(settings.topic) == nullptr; ++waits) {
    if (waits == 100)
      throw std::runtime_error(fmt::format("there is no topic {} at {}", settings.topic, settings.brokers));
    std::this_thread::sleep_for(std::chrono::milliseconds{100});
  }
  auto const before = covered(admin, settings);

  auto bench = std::make_unique<Bench>(settings, client, abilities.group_protocol());
  bench->run();
  auto run = bench->report();
  run.committed = bench->clean() && run.records == settings.records &&
                  covered(admin, settings) - before >= static_cast<std::int64_t>(settings.records);
  // Handlers that still run hold on to what would be destroyed now.
  if (!bench->clean()) (void)bench.release();
  return run;
}

}  // namespace omnibus::bench
