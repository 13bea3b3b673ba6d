/// tests/bench/fill: see --help.
#include "fill.hpp"
#include "observability/log.hpp"

#include <cstdlib>
#include <exception>
#include <map>

#include <CLI/CLI.hpp>
#include <fmt/core.h>
#include <unistd.h>

int main(int argc, char** argv) {
  using namespace omnibus;
  using bench::Keys;
  bench::FillSettings settings;
  CLI::App application{
      "Publishes CloudEvents in binary mode for tests/bench/engine: data of JSON with a \"seq\" that counts per key "
      "from "
      "0.\nOn Apache Kafka it makes the topic; the embedded broker makes an unknown one with 4 partitions and keeps 5 "
      "MiB "
      "of each,\nso start it with `omnibus broker --file TOPICS` that has the topic with enough of them.",
      "tests/bench/fill"};
  std::map<std::string, Keys> const kinds{
      {"distinct", Keys::distinct}, {"uniform", Keys::uniform}, {"zipf", Keys::zipf}};
  application.add_option("--kafka", settings.brokers, "Kafka's bootstrap addresses, host:port")->required();
  std::map<std::string, bench::Kind> const events{
      {"bench", bench::Kind::bench}, {"messages", bench::Kind::messages}, {"calls", bench::Kind::calls}};
  application
      .add_option("--events", settings.kind,
                  "bench: seq and text; messages: for the chat worker; calls: for the telemetry worker")
      ->transform(CLI::CheckedTransformer(events))
      ->option_text("bench|messages|calls");
  application.add_option("--topic", settings.topic, "The topic to fill")->required();
  application.add_option("--records", settings.records, "How many events")->required()->check(CLI::PositiveNumber);
  application
      .add_option(
          "--keys", settings.keys,
          "distinct: one for each event; uniform: they take turns; zipf: the n-th comes 1/n as often as the first")
      ->transform(CLI::CheckedTransformer(kinds))
      ->option_text("distinct|uniform|zipf");
  application.add_option("--key-count", settings.key_count, "How many keys uniform and zipf have")
      ->check(CLI::Range(1, 100'000'000))
      ->capture_default_str();
  application.add_option("--first-key", settings.first_key, "Keys are numbered from here")->capture_default_str();
  application
      .add_option("--tenants", settings.tenants,
                  "How many tenants messages and calls are of: shop.example, shop-1.example, ...")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  application.add_option("--bytes", settings.bytes, "Size of an event's data")
      ->check(CLI::Range(16, 1'000'000))
      ->capture_default_str();
  application.add_option("--partitions", settings.partitions, "Of a topic that is made")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  application.add_option("--compression", settings.compression, "none, lz4, zstd, gzip or snappy")
      ->capture_default_str();
  application.add_option("--rate", settings.rate, "Events a second; 0: as fast as it can")->capture_default_str();
  application.add_option("--seed", settings.seed, "Another one deals the keys of zipf in another order")
      ->capture_default_str();
  application.add_option("--swapped", settings.swapped, "So many pairs of one key the wrong way round");
  application.add_option("--repeated", settings.repeated, "So many events twice");
  application.add_option("--omitted", settings.omitted, "So many events left out");
  auto seals = false;
  application.add_flag("--seal", seals,
                       "Seal messages with the keys of the environment's DATABASE_URL, wrapped by its PII_MASTER_KEY");
  CLI11_PARSE(application, argc, argv);
  if (seals) {
    auto const* const url = std::getenv("DATABASE_URL");
    if (url == nullptr || settings.kind != bench::Kind::messages) {
      fmt::print(stderr, "--seal needs DATABASE_URL and --events messages\n");
      return 2;
    }
    settings.database_url = Secret{url};
  }
  log::configure("bench-fill", log::Level::off);
  auto const watched = isatty(STDERR_FILENO) != 0;
  bench::Filled filled;
  try {
    filled = bench::fill(settings, [&](std::uint64_t count) {
      if (watched) fmt::print(stderr, "\r{} of {} events ", count, settings.records);
    });
  } catch (std::exception const& error) {
    fmt::print(stderr, "tests/bench/fill: {}\n", error.what());
    return 1;
  }
  if (watched) fmt::print(stderr, "\n");
  fmt::print("topic={} records={} held={} hottest={}\n", settings.topic, settings.records, filled.held, filled.hottest);
  return 0;
}
