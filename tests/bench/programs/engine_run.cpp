#include "engine_run.hpp"

#include "bench_event.hpp"
#include "bench_request.hpp"
#include "engine/engine.hpp"
#include "engine/handler_work.hpp"
#include "handler/failure.hpp"
#include "http/client.hpp"
#include "kafka/admin.hpp"
#include "llm/openai_client.hpp"
#include "observability/metrics.hpp"
#include "sequence.hpp"
#include "span.hpp"
#include "time/time.hpp"
#include "usage.hpp"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/core.h>
#include <unistd.h>

namespace omnibus::bench {
namespace {

/// Counts what was handled, and what of it was right.
class Tally {
 public:
  Tally(std::uint64_t records, std::function<void()> done)
      : records_{records},
        span_{records},
        order_{static_cast<std::size_t>(std::min<std::uint64_t>(records, 1'000'000))},
        done_{std::move(done)} {}

  /// Begun and ended in one go.
  void handled(std::uint64_t key, std::uint32_t number) {
    span_.begin();
    order_.handled(key, number);
    count();
  }
  void begin(std::uint64_t key, std::uint32_t number) {
    span_.begin();
    order_.begin(key, number);
  }
  void end(std::uint64_t key, std::uint32_t number) {
    order_.end(key, number);
    count();
  }
  std::uint64_t handled_records() const { return span_.counted(); }
  bool second_half() const { return span_.counted() > records_ / 2; }

  void report(EngineRun& run) {
    run.records = std::min(span_.counted(), records_);  // what was in flight besides ends while it stops
    run.rate = span_.rate();
    run.steady_rate = span_.steady_rate();
    run.cpu_seconds = span_.cpu_seconds();
    run.order = order_.findings();
    // Those at the end of a key as well, behind which no later one shows a gap.
    run.order.missing = std::max(run.order.missing, records_ - run.records);
  }

 private:
  void count() {
    if (span_.count()) done_();
  }

  std::uint64_t const records_;
  Span span_;
  OrderCheck order_;
  std::function<void()> done_;
};

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
  HttpWork(Tally& tally, llm::LlmPort& model, std::uint64_t& failed) : tally_{tally}, model_{model}, failed_{failed} {}
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
  std::uint64_t& failed_;
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

  double quantile(double share) {
    if (milliseconds_.empty()) return 0;
    auto const at = static_cast<std::ptrdiff_t>(share * static_cast<double>(milliseconds_.size() - 1));
    std::nth_element(milliseconds_.begin(), milliseconds_.begin() + at, milliseconds_.end());
    return milliseconds_[static_cast<std::size_t>(at)];
  }

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

/// The engine and what it stands on.
class Bench {
 public:
  Bench(EngineRunSettings const& settings, kafka::ClientSettings const& client, kafka::GroupProtocol protocol)
      : settings_{settings},
        tally_{settings.records, [this] { stop(); }},
        http_{loop_, http_settings(settings)},
        producer_{client},
        signals_{loop_, SIGINT, SIGTERM} {
    switch (settings.work) {
      case EngineWork::none:
        work_ = std::make_unique<NoWork>(tally_);
        break;
      case EngineWork::parse:
      case EngineWork::event:
        work_ = std::make_unique<ParseWork>(tally_, settings.work == EngineWork::event);
        break;
      case EngineWork::typed:
        work_ = std::make_unique<TypedWork>(tally_);
        break;
      case EngineWork::http:
        model_.emplace(http_, llm::OpenAiSettings{settings.llm_url, "", 1024 * 1024, "max_completion_tokens"});
        work_ = std::make_unique<HttpWork>(tally_, *model_, failed_requests_);
        break;
    }
    failing_.emplace(*work_, settings.failing_keys, tally_);
    stuck_.emplace(*work_, loop_);
    auto& chosen = settings.stuck              ? static_cast<engine::Work&>(*stuck_)
                   : settings.measures_latency ? static_cast<engine::Work&>(*failing_)
                                               : *work_;
    kafka::ConsumerSettings consumer;
    consumer.group = settings.group;
    consumer.topics = {settings.topic};
    consumer.protocol = protocol;
    consumer.prefetch_bytes = settings.prefetch_bytes;
    consumer.fetch_bytes = 2 * settings.prefetch_bytes;
    engine::EngineSettings engine;
    engine.max_in_flight = settings.max_in_flight;
    engine.max_queued_bytes = settings.max_queued_bytes;
    engine::Timings timings;
    timings.handler = &Metrics::process().local_histogram<Metric::handler_duration>();  // as in every worker
    engine_ = std::make_unique<engine::Engine>(loop_, engine::Identity{"bench", settings.group, "bench", {}}, engine,
                                               client, consumer, engine::Ports{producer_, nullptr, timings}, chosen);
    if (settings.erased > 0) engine_->learn(erasures(settings));
  }

  void run() {
    signals_.async_wait([this](boost::system::error_code const& error, int) {
      if (!error) stop();
    });
    boost::asio::co_spawn(loop_, watch(), [](std::exception_ptr const&) {});
    engine_->start();
    loop_.run();
  }

  /// Whether every handler ended and the broker has the positions.
  bool clean() const { return clean_; }

  EngineRun report() {
    EngineRun run;
    tally_.report(run);
    run.rss_mb = peak_rss_mb();
    run.commits = engine_->counters().commits;
    run.failed_requests = failed_requests_;
    run.p50_ms = failing_->quantile(0.5);
    run.p99_ms = failing_->quantile(0.99);
    return run;
  }

 private:
  static http::HttpClientSettings http_settings(EngineRunSettings const& settings) {
    http::HttpClientSettings http;
    http.max_connections_per_host = settings.max_in_flight;
    http.connect_timeout = longest_connect;
    return http;
  }

  void stop() {
    if (std::exchange(stopping_, true)) return;
    boost::asio::co_spawn(loop_, engine_->stop(), [this](std::exception_ptr const& error, bool all) {
      clean_ = !error && all;
      loop_.stop();
    });
  }

  /// Says how it goes, to a person who watches, and ends a run in which nothing happens any more.
  Task<> watch() {
    boost::asio::steady_timer timer{loop_};
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
  boost::asio::io_context loop_{1};
  Tally tally_;
  http::Client http_;
  std::optional<llm::OpenAiClient> model_;
  std::uint64_t failed_requests_ = 0;
  kafka::Producer producer_;  // for what cannot be handled: the engine parks it
  std::unique_ptr<engine::Work> work_;
  std::optional<FailingWork> failing_;
  std::optional<StuckWork> stuck_;
  boost::asio::signal_set signals_;
  bool stopping_ = false;
  bool clean_ = false;
  std::unique_ptr<engine::Engine> engine_;
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
