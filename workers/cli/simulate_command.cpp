#include "http/server.hpp"
#include "workers/cli/commands.hpp"
#include "workers/cli/ready_file.hpp"
#include "workers/simulator/simulator.hpp"

#include <chrono>
#include <csignal>
#include <cstdio>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <fmt/core.h>
#include <sys/resource.h>

namespace omnibus::cli {
namespace {

struct Options {
  std::string address = "127.0.0.1";
  std::uint16_t port = 8090;
  std::string ready_file;
  std::int64_t latency = 0;
  std::int64_t latency_jitter = 0;
  std::int64_t pace = 0;
  std::uint64_t seed = 0;
  std::int64_t context_tokens = 128'000;
  std::string faults;
};

/// Thousands of callers at once need as many descriptors.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

int run(Options const& options) {
  raise_descriptor_limit();
  simulator::SimulatorSettings settings;
  settings.latency = std::chrono::milliseconds(options.latency);
  settings.latency_jitter = std::chrono::milliseconds(options.latency_jitter);
  settings.pace = std::chrono::milliseconds(options.pace);
  settings.seed = options.seed;
  settings.context_tokens = options.context_tokens;
  settings.faults = simulator::parse_faults(options.faults);
  http::ServerSettings listening;
  listening.address = options.address;
  listening.port = options.port;
  listening.max_body_bytes = 16 * 1024 * 1024;
  listening.max_connections = 200'000;
  listening.keep_alive_timeout = std::chrono::minutes(10);

  simulator::Simulator simulated(std::move(settings));
  boost::asio::io_context context(1);
  http::Server server(context.get_executor(), listening, simulated.router());
  server.start();
  auto const url = fmt::format("http://{}:{}/v1", options.address, server.port());
  fmt::print("llm: {}\n", url);
  std::fflush(stdout);
  ReadyFile const ready(options.ready_file, url);

  boost::asio::signal_set signals(context, SIGINT, SIGTERM);
  signals.async_wait([&](boost::system::error_code error, int) {
    if (error) return;
    boost::asio::co_spawn(context, server.stop(std::chrono::milliseconds(500)),
                          [&](std::exception_ptr) { context.stop(); });
  });
  context.run();
  return 0;
}

}  // namespace

void add_simulate_command(CLI::App& application, int& exit_code) {
  auto* command = application.add_subcommand(
      "simulate", "Serve an OpenAI-compatible language model that is made up, until SIGTERM or SIGINT");
  auto const options = std::make_shared<Options>();
  command->add_option("--address", options->address, "Address to listen on")->capture_default_str();
  command->add_option("--port", options->port, "Port to listen on; 0 takes any free one")->capture_default_str();
  command->add_option("--ready-file", options->ready_file,
                      "Write the base URL here once it answers; removed at the end");
  command->add_option("--latency", options->latency, "Milliseconds before an answer begins")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--latency-jitter", options->latency_jitter, "Up to so many milliseconds more")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--pace", options->pace, "Milliseconds between the pieces of a streamed answer")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--seed", options->seed, "Another seed gives other answers and faults")->capture_default_str();
  command->add_option("--context", options->context_tokens, "Longest prompt in tokens")->capture_default_str();
  command->add_option(
      "--faults", options->faults,
      "kind:condition=value,...;...  Kinds: latency drip (ms=) rate_limit (retry_after=) error (status=) "
      "truncated endless reset stream_error wrong_type. Conditions: every= probability= match= model= "
      "times=");
  command->callback([options, &exit_code] { exit_code = run(*options); });
}

}  // namespace omnibus::cli
