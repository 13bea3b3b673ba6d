#include "engine_run.hpp"

#include "bench_event.hpp"
#include "bench_request.hpp"
#include "engine/engine.hpp"
#include "engine/failure.hpp"
#include "engine/handler.hpp"
#include "http/client.hpp"
#include "kafka/admin.hpp"
#include "llm/openai_client.hpp"
#include "observability/metrics.hpp"
#include "sequence.hpp"
#include "span.hpp"
#include "usage.hpp"

#include <algorithm>
#include <exception>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>

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
  Task<> handle(engine::Context& context) final {
    handle_now(context);
    co_return;
  }
};

class NoWork final : public ImmediateWork {
 public:
  explicit NoWork(Tally& tally) : tally_{tally} {}
  void handle_now(engine::Context& context) override {
    tally_.handled(hash_of(context.key()), number_of(sequence_of(context.value())));
  }

 private:
  Tally& tally_;
};

class ParseWork final : public ImmediateWork {
 public:
  ParseWork(Tally& tally, bool with_envelope) : tally_{tally}, with_envelope_{with_envelope} {}
  void handle_now(engine::Context& context) override {
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

class HttpWork final : public engine::Work {
 public:
  HttpWork(Tally& tally, llm::LlmPort& model, std::uint64_t& failed) : tally_{tally}, model_{model}, failed_{failed} {}
  Task<> handle(engine::Context& context) override {
    auto const event = engine::decode<BenchEvent>(context);
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

/// So much of the topic is behind the group's positions.
std::int64_t covered(kafka::Admin const& admin, EngineRunSettings const& settings) {
  std::int64_t sum = 0;
  for (auto const& each : admin.group_lag(settings.group, {settings.topic}))
    sum += std::max(each.committed, each.watermarks.low);
  return sum;
}

/// Says how it goes, to a person who watches, and ends a run in which nothing happens any more.
Task<> watch(boost::asio::io_context& loop, Tally const& tally, EngineRunSettings const& settings,
             std::function<void()> give_up) {
  boost::asio::steady_timer timer{loop};
  std::uint64_t before = 0;
  std::chrono::seconds idle{0};
  for (;;) {
    timer.expires_after(std::chrono::seconds{1});
    auto wait = timer.async_wait(boost::asio::use_awaitable);
    co_await std::move(wait);
    auto const count = tally.handled_records();
    idle = count == before ? idle + std::chrono::seconds{1} : std::chrono::seconds{0};
    if (isatty(STDERR_FILENO) != 0)
      fmt::print(stderr, "\r{} of {} records, {} a second ", count, settings.records, count - before);
    before = count;
    if (count < settings.records && idle >= settings.patience) {
      fmt::print(stderr, "nothing was handled for {} s: does the topic hold {} records that the group has not seen?\n",
                 idle.count(), settings.records);
      give_up();
      co_return;
    }
  }
}

}  // namespace

EngineRun run_engine(EngineRunSettings const& settings) {
  kafka::ClientSettings client;
  client.brokers = settings.brokers;
  client.client_id = "omnibus-bench";
  auto const abilities = kafka::probe_cluster(client, std::chrono::seconds{10});
  kafka::Admin const admin{client};
  if (admin.cluster().find(settings.topic) == nullptr)
    throw std::runtime_error(fmt::format("there is no topic {} at {}", settings.topic, settings.brokers));
  auto const before = covered(admin, settings);

  boost::asio::io_context loop{1};
  std::unique_ptr<engine::Engine> engine;
  EngineRun run;
  auto stopping = false;
  auto clean = false;
  auto const stop = [&] {
    if (std::exchange(stopping, true)) return;
    boost::asio::co_spawn(loop, engine->stop(), [&](std::exception_ptr const& error, bool all) {
      clean = !error && all;
      loop.stop();
    });
  };
  Tally tally{settings.records, stop};

  http::ClientSettings http_settings;
  http_settings.max_connections_per_host = settings.max_in_flight;
  http_settings.connect_timeout = longest_connect;
  http::Client http_client{loop, http_settings};
  std::optional<llm::OpenAiClient> model;
  std::unique_ptr<engine::Work> work;
  switch (settings.work) {
    case EngineWork::none:
      work = std::make_unique<NoWork>(tally);
      break;
    case EngineWork::parse:
    case EngineWork::event:
      work = std::make_unique<ParseWork>(tally, settings.work == EngineWork::event);
      break;
    case EngineWork::http:
      model.emplace(http_client, llm::OpenAiSettings{settings.llm_url, "", 1024 * 1024, "max_completion_tokens"});
      work = std::make_unique<HttpWork>(tally, *model, run.failed_requests);
      break;
  }

  kafka::Producer producer{client};  // for what cannot be handled: the engine parks it
  kafka::ConsumerSettings consumer;
  consumer.group = settings.group;
  consumer.topics = {settings.topic};
  consumer.protocol = abilities.group_protocol();
  consumer.prefetch_bytes = settings.prefetch_bytes;
  engine::EngineSettings engine_settings;
  engine_settings.max_in_flight = settings.max_in_flight;
  engine_settings.max_queued_bytes = settings.max_queued_bytes;
  engine::Timings timings;
  timings.handler = &Metrics::process().local_histogram<Metric::handler_duration>();  // as in every worker
  engine =
      std::make_unique<engine::Engine>(loop, engine::Identity{"bench", settings.group, "bench", {}}, engine_settings,
                                       client, consumer, engine::Ports{producer, nullptr, timings}, *work);
  boost::asio::signal_set signals{loop, SIGINT, SIGTERM};
  signals.async_wait([&](boost::system::error_code const& error, int) {
    if (!error) stop();
  });
  boost::asio::co_spawn(loop, watch(loop, tally, settings, stop), [](std::exception_ptr const&) {});
  engine->start();
  loop.run();

  tally.report(run);
  run.rss_mb = peak_rss_mb();
  run.commits = engine->counters().commits;
  run.committed = clean && run.records >= settings.records &&
                  covered(admin, settings) - before >= static_cast<std::int64_t>(settings.records);
  return run;
}

}  // namespace omnibus::bench
