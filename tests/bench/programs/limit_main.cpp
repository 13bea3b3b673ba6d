/// tests/bench/limit: see --help.
#include "bare_sockets.hpp"
#include "config/descriptors.hpp"
#include "drain.hpp"
#include "model_calls.hpp"
#include "observability/log.hpp"
#include "recorded_requests.hpp"
#include "usage.hpp"

#include <cstdlib>
#include <exception>
#include <fstream>
#include <functional>
#include <map>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/core.h>

int main(int argc, char** argv) {
  using namespace omnibus;
  using namespace omnibus::bench;
  CLI::App application{
      "What the engine is held against: the least that has to be done, by a program that does nothing else. Prints "
      "one\n"
      "line, as tests/bench/engine does.",
      "tests/bench/limit"};
  application.require_subcommand(1);
  std::function<Span()> run;

  DrainSettings draining;
  auto* const drain_command =
      application.add_subcommand("drain", "Consume in batches, with or without reading, and commit once at the end");
  drain_command->add_option("--kafka", draining.brokers, "Kafka's bootstrap addresses, host:port")->required();
  drain_command->add_option("--topic", draining.topic, "The topic to read")->required();
  drain_command->add_option("--group", draining.group, "Consumer group; a new one reads from the beginning")
      ->required();
  drain_command->add_option("--records", draining.records, "How many records to read")
      ->required()
      ->check(CLI::PositiveNumber);
  std::map<std::string, DrainWork> const works{{"none", DrainWork::none},
                                               {"parse", DrainWork::parse},
                                               {"hash", DrainWork::hash},
                                               {"rollups", DrainWork::rollups},
                                               {"event", DrainWork::event}};
  drain_command
      ->add_option("--work", draining.work,
                   "none; parse: simdjson reads the data; hash: of model calls, and adds them up; rollups: and "
                   "writes the sums to the database of the environment's DATABASE_URL; event: envelope and data by the "
                   "engine's own code")
      ->transform(CLI::CheckedTransformer(works))
      ->option_text("none|parse|hash|rollups|event");
  drain_command
      ->add_option("--prefetch-mib", draining.prefetch_mib,
                   "MiB that the Kafka client may hold ahead; with less than the default a response brings twice that "
                   "at most, as the engine has it with 8")
      ->check(CLI::Range(1, any_prefetch_mib))
      ->capture_default_str();
  drain_command->callback([&] {
    if (auto const* const url = std::getenv("DATABASE_URL")) draining.database_url = Secret{url};
    run = [&] { return drain(draining); };
  });

  std::string llm_url;
  std::string client = "ours";
  std::size_t in_flight = 1000;
  std::uint64_t requests = 0;
  auto* const http_command = application.add_subcommand("http", "Ask a model, with the HTTP client alone");
  http_command->add_option("--llm-url", llm_url, "Base URL, as `omnibus simulate` prints it")->required();
  http_command->add_option("--max-in-flight", in_flight, "Requests at once")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  http_command->add_option("--records", requests, "How many requests")->required()->check(CLI::PositiveNumber);
  http_command->add_option("--client", client, "ours, or bare sockets and epoll")
      ->check(CLI::IsMember({"ours", "sockets"}))
      ->capture_default_str();
  http_command->callback([&] {
    run = [&] {
      return client == "ours" ? call_model(llm_url, in_flight, requests)
                              : call_model_by_sockets(llm_url, in_flight, requests);
    };
  });

  std::string recorded;
  auto* const requests_command =
      application.add_subcommand("requests", "Send recorded requests to a model, with the HTTP client alone");
  requests_command->add_option("--llm-url", llm_url, "Base URL, as `omnibus simulate` prints it")->required();
  requests_command->add_option("--max-in-flight", in_flight, "Chains at once")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  requests_command
      ->add_option("--bodies", recorded,
                   "JSON bodies, one a line; each is sent after the answer to the one before it, up to an empty line")
      ->required()
      ->check(CLI::ExistingFile);
  requests_command->callback([&] {
    run = [&] {
      std::ifstream lines{recorded};
      return send_chains(llm_url, read_chains(lines), in_flight);
    };
  });
  CLI11_PARSE(application, argc, argv);
  log::configure("bench-limit", log::Level::off);
  config::raise_descriptor_limit(in_flight + config::other_descriptors);
  try {
    auto const span = run();
    fmt::print("records={} records_per_s={:.0f} steady_per_s={:.0f} cpu_s={:.3f} rss_mb={:.1f}\n", span.counted(),
               span.rate(), span.steady_rate(), span.cpu_seconds(), peak_rss_mb());
  } catch (std::exception const& error) {
    fmt::print(stderr, "tests/bench/limit: {}\n", error.what());
    return 1;
  }
  return 0;
}
