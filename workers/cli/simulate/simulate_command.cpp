#include "compose/simulator/messaging.hpp"
#include "compose/simulator/oddities/oddity.hpp"
#include "compose/simulator/simulator.hpp"
#include "config/descriptors.hpp"
#include "http/server.hpp"
#include "workers/cli/commands.hpp"
#include "workers/cli/topics/ready_file.hpp"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <fmt/core.h>

namespace omnibus::cli {
namespace {

struct SimulateOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 8090;
  std::string ready_file;
  std::int64_t latency = 0;
  std::int64_t latency_jitter = 0;
  std::int64_t pace = 0;
  std::uint64_t seed = 0;
  std::int64_t context_tokens = 128'000;
  std::string faults;
  std::vector<std::string> oddities;
  std::int64_t send_latency = 50;
  std::int64_t receipt_delay = 20;
  std::int64_t receipt_spread = 0;
  std::int64_t token_lifetime = 3599;
  std::string send_faults;
  simulator::MessagingSettings messaging;
};

/// Joins the options, so that oddities without conditions take turns.
std::vector<simulator::OddityRule> read_oddities(std::vector<std::string> const& options) {
  std::string specification;
  for (auto const& option : options) specification.append(option).append(";");
  return simulator::parse_faults<simulator::OddWay const*>(specification);
}

int run(SimulateOptions const& options) {
  if (std::find(options.oddities.begin(), options.oddities.end(), "list") != options.oddities.end()) {
    fmt::print("{}", simulator::oddities_as_markdown());
    return 0;
  }
  config::raise_descriptor_limit(8192);  // for thousands of callers at once
  simulator::SimulatorSettings settings;
  settings.latency = std::chrono::milliseconds(options.latency);
  settings.latency_jitter = std::chrono::milliseconds(options.latency_jitter);
  settings.pace = std::chrono::milliseconds(options.pace);
  settings.seed = options.seed;
  settings.context_tokens = options.context_tokens;
  settings.faults = simulator::parse_faults(options.faults);
  settings.oddities = read_oddities(options.oddities);
  auto messaging = options.messaging;
  messaging.latency = std::chrono::milliseconds(options.send_latency);
  messaging.seed = options.seed;
  messaging.token_lifetime = std::chrono::seconds(options.token_lifetime);
  messaging.faults = simulator::parse_faults<simulator::SendFaultKind>(options.send_faults);
  messaging.receipts.delay = std::chrono::milliseconds(options.receipt_delay);
  messaging.receipts.spread = std::chrono::milliseconds(options.receipt_spread);
  http::ServerSettings listening;
  listening.address = options.address;
  listening.port = options.port;
  listening.max_body_bytes = 16 * 1024 * 1024;
  listening.max_connections = 200'000;
  listening.keep_alive_timeout = std::chrono::minutes(10);

  simulator::Simulator simulated(std::move(settings));
  boost::asio::io_context context(1);
  simulator::Messaging messages(context, std::move(messaging));
  auto router = simulated.router();
  messages.add_routes(router);
  http::Server server(context.get_executor(), listening, std::move(router));
  server.start();
  auto const url = fmt::format("http://{}:{}/v1", options.address, server.port());
  fmt::print("llm: {}\nmessages: http://{}:{}\n", url, options.address, server.port());
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

void add_messaging_options(CLI::App& command, SimulateOptions& options) {
  auto& messaging = options.messaging;
  auto& receipts = messaging.receipts;
  command.add_option("--send-latency", options.send_latency, "Milliseconds before a message provider answers")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command.add_option(
      "--send-faults", options.send_faults,
      "Like --faults, for message providers. Kinds: latency (ms=) rate_limit (retry_after=) error (status=) "
      "reset, and accept_error accept_reset accept_hang (ms=) accept_garbage, which accept the message first. "
      "Conditions: every= probability= match= provider= (whatsapp, mtn, mtn_token, twilio) times=");
  command.add_flag("--honour-key", messaging.honour_key, "Accept a message with a known key only once");
  command.add_option("--no-whatsapp", messaging.no_whatsapp,
                     "People without WhatsApp: a share of people (0.1), or the end of their numbers (*99)");
  command.add_option("--outside-window", messaging.outside_window, "People who accept only templates; as above");
  command.add_option("--undeliverable", receipts.undeliverable,
                     "People whose messages are accepted but do not arrive; as above");
  command.add_option("--token-lifetime", options.token_lifetime, "Lifetime of MTN's tokens in seconds")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command.add_option("--webhooks", receipts.webhooks, "Base URL of the gateway that gets delivery receipts");
  command.add_option("--receipt-delay", options.receipt_delay, "Milliseconds before a receipt")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command
      .add_option("--receipt-spread", options.receipt_spread,
                  "Delay each receipt by up to so many milliseconds more, which changes their order")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command.add_option("--receipts-twice", receipts.twice, "Share of receipts that are sent twice")
      ->check(CLI::Range(0.0, 1.0));
  command.add_option("--sms-signature-header", receipts.sms_header, "Header with the signature of MTN's receipts")
      ->capture_default_str();
  command.add_option("--sms-signature-prefix", receipts.sms_prefix, "The text before the signature in that header")
      ->capture_default_str();
  // Not on the command line, where every user can read them.
  if (auto const* const secret = std::getenv("WHATSAPP_APP_SECRET")) receipts.whatsapp_secret = secret;
  if (auto const* const secret = std::getenv("MTN_WEBHOOK_SECRET")) receipts.sms_secret = secret;
  if (auto const* const token = std::getenv("TWILIO_AUTH_TOKEN")) receipts.twilio_token = token;
  command.footer("WHATSAPP_APP_SECRET, MTN_WEBHOOK_SECRET and TWILIO_AUTH_TOKEN in the environment sign the receipts.");
}

}  // namespace

void add_simulate_command(CLI::App& application, int& exit_code) {
  auto* command = application.add_subcommand(
      "simulate",
      "Simulate an OpenAI-compatible language model, and WhatsApp, MTN and Twilio, until SIGTERM or SIGINT");
  auto const options = std::make_shared<SimulateOptions>();
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
      "truncated endless reset stream_error wrong_type not_json wrong_schema refusal. Conditions: every= probability= "
      "match= model= times=");
  command->add_option(
      "--oddity", options->oddities,
      "NAME or NAME:condition=value,...  Answer as an odd server does, with the conditions of --faults; "
      "several take turns. A request's header X-Oddity names one for its answer. 'list' shows the names, "
      "what each does, what a client must make of it, and where it was seen");
  add_messaging_options(*command, *options);
  command->callback([options, &exit_code] { exit_code = run(*options); });
}

}  // namespace omnibus::cli
