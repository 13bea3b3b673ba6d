/// tests/bench/engine: see --help.
#include "config/descriptors.hpp"
#include "engine_run.hpp"
#include "observability/log.hpp"

#include <cstdlib>
#include <exception>
#include <map>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/core.h>

int main(int argc, char** argv) {
  using namespace omnibus;
  using bench::EngineWork;
  bench::EngineRunSettings settings;
  auto level = std::string{"off"};
  auto patience = settings.patience.count();
  CLI::App application{
      "Runs the engine alone on a topic that holds CloudEvents in binary mode, whose data has a \"seq\" that counts "
      "per "
      "key from 0.\nEnds with status 0 once so many records are handled and committed, and prints one line: rates from "
      "the first record's\nbeginning to the last one's end (steady: the second half), CPU of the whole process, the "
      "most "
      "memory it had, and\nwhat the order check found.",
      "tests/bench/engine"};
  std::map<std::string, EngineWork> const works{{"none", EngineWork::none},
                                                {"parse", EngineWork::parse},
                                                {"event", EngineWork::event},
                                                {"typed", EngineWork::typed},
                                                {"http", EngineWork::http}};
  application.add_option("--kafka", settings.brokers, "Kafka's bootstrap addresses, host:port")->required();
  application.add_option("--topic", settings.topic, "The topic to read")->required();
  application.add_option("--group", settings.group, "Consumer group; a new one reads from the beginning")->required();
  application.add_option("--records", settings.records, "How many records to handle")
      ->required()
      ->check(CLI::PositiveNumber);
  application
      .add_option(
          "--work", settings.work,
          "none: read the number; parse: decode the data; event: check the envelope, too; typed: also ask whom the "
          "event is about, as for a typed handler; http: ask a model, once for each")
      ->transform(CLI::CheckedTransformer(works))
      ->option_text("none|parse|event|typed|http");
  application.add_option("--llm-url", settings.llm_url, "With --work http: base URL, as `omnibus simulate` prints it");
  application
      .add_option("--loops", settings.loops,
                  "Event loops, each with an engine, an HTTP client and its part of the limits below")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  application.add_option("--max-in-flight", settings.max_in_flight, "Keys worked on at once")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  application.add_option("--prefetch-bytes", settings.prefetch_bytes, "What the Kafka client may hold ahead of us")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  application.add_option("--queued-bytes", settings.max_queued_bytes, "Records held in memory, waiting or in flight")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  application.add_flag(
      "--latency", settings.measures_latency,
      "Also print p50_ms and p99_ms, from a record's writing to its end, of the keys that do not fail");
  application
      .add_option("--failing-keys", settings.failing_keys,
                  "Of a thousand keys so many fail at the first attempt of each of their events; needs --latency")
      ->check(CLI::Range(0, 1000));
  application.add_option("--erased", settings.erased, "So many people were erased; no event is about them");
  application.add_flag("--erased-later", settings.erased_later,
                       "All records stand before the erasures, so that each is looked up");
  application.add_flag("--stuck", settings.stuck,
                       "The first record never ends: says so once all others have, and waits to be killed");
  application.add_option("--patience", patience, "Seconds without a handled record after which to give up")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  application.add_option("--log-level", level, "debug, info, warn, error or off; lines go to stdout")
      ->capture_default_str();
  CLI11_PARSE(application, argc, argv);
  auto const log_level = log::parse_level(level);
  if (!log_level) {
    fmt::print(stderr, "--log-level takes debug, info, warn, error or off\n");
    return 2;
  }
  if (settings.stuck && settings.loops > 1) {
    fmt::print(stderr, "--stuck is for one loop: the first record of each would never end\n");
    return 2;
  }
  if (settings.work == EngineWork::http && settings.llm_url.empty()) {
    fmt::print(stderr, "--work http needs --llm-url, such as the one that `omnibus simulate --latency 100` prints\n");
    return 2;
  }
  settings.patience = std::chrono::seconds{patience};
  log::configure("bench", *log_level);
  auto const needed = settings.max_in_flight + 100;  // the broker has some, and files
  auto const descriptors = config::raise_descriptor_limit(needed);
  if (settings.work == EngineWork::http && needed > descriptors)
    fmt::print(stderr, "{} in flight need as many connections, and only {} descriptors may be open (ulimit -n)\n",
               settings.max_in_flight, descriptors);

  bench::EngineRun run;
  try {
    run = bench::run_engine(settings);
  } catch (std::exception const& error) {
    fmt::print(stderr, "tests/bench/engine: {}\n", error.what());
    return 1;
  }
  auto const latency =
      settings.measures_latency ? fmt::format(" p50_ms={:.0f} p99_ms={:.0f}", run.p50_ms, run.p99_ms) : "";
  fmt::print(
      "records={} records_per_s={:.0f} steady_per_s={:.0f} cpu_s={:.3f} rss_mb={:.1f} disorder={} duplicates={} "
      "missing={} commits={}{}\n",
      run.records, run.rate, run.steady_rate, run.cpu_seconds, run.rss_mb, run.order.disorder, run.order.duplicates,
      run.order.missing, run.commits, latency);
  if (run.failed_requests > 0) fmt::print(stderr, "{} requests to the model failed\n", run.failed_requests);
  if (!run.committed) fmt::print(stderr, "tests/bench/engine: not all of them were handled and committed\n");
  return run.committed ? 0 : 1;
}
