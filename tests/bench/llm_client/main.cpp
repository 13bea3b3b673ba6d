/// How fast and how small calls of a language model are, against `omnibus simulate`, beside a hand-written client:
///   build/release/bin/omnibus simulate --port 8090 --latency 100 &
///   build/release/bench/llm_client_bench --url http://127.0.0.1:8090/v1 --in-flight 10000 --client ours
#include "hand_written.hpp"
#include "llm/openai_client.hpp"
#include "llm/openai_wire.hpp"

#include <chrono>
#include <cstdint>
#include <fstream>
#include <string>

#include <CLI/CLI.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <fmt/core.h>
#include <sys/resource.h>

namespace omnibus::bench {
namespace {

using Clock = std::chrono::steady_clock;

struct Run {
  Clock::time_point begin;
  Clock::time_point stop;
  std::uint64_t answered = 0;
  std::uint64_t failed = 0;
  int running = 0;
};

llm::ChatRequest make_request() {
  llm::ChatRequest request;
  request.model = "omnibus-small";
  request.messages = {{"system", std::string(400, 'i')},
                      {"user", "When will the card that I ordered last week arrive?"}};
  return request;
}

Task<> keep_asking(llm::LlmPort& model, Run& run) {
  ++run.running;
  while (Clock::now() < run.stop) {
    try {
      auto asking = model.complete(make_request(), {});
      auto const completion = co_await std::move(asking);
      if (Clock::now() >= run.begin) ++run.answered;
    } catch (llm::LlmError const& error) {
      if (++run.failed == 1) fmt::print(stderr, "first failure: {}\n", error.what());
    }
  }
  --run.running;
}

std::uint64_t run_ours(std::string const& url, int in_flight, double warm_up, double seconds) {
  boost::asio::io_context context(1);
  http::ClientSettings settings;
  settings.max_connections_per_host = static_cast<std::size_t>(in_flight);
  http::Client client(context, settings);
  llm::OpenAiClient model(client, {url, "", 1024 * 1024, "max_completion_tokens"});
  Run run;
  run.begin = Clock::now() + std::chrono::milliseconds(static_cast<int>(warm_up * 1000));
  run.stop = run.begin + std::chrono::milliseconds(static_cast<int>(seconds * 1000));
  for (auto i = 0; i < in_flight; ++i) {
    boost::asio::co_spawn(context, keep_asking(model, run), boost::asio::detached);
  }
  while (context.run_one() != 0 && (run.running > 0 || Clock::now() < run.stop)) {
  }
  if (run.failed > 0) fmt::print(stderr, "{} requests failed\n", run.failed);
  return run.answered;
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  auto const seconds = [](timeval const& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double peak_rss_mb() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

}  // namespace
}  // namespace omnibus::bench

int main(int argc, char** argv) {
  using namespace omnibus;
  CLI::App application("Calls a simulated language model as fast as it can");
  std::string address = "http://127.0.0.1:8090/v1";
  std::string client = "ours";
  auto in_flight = 1000;
  auto warm_up = 3.0;
  auto seconds = 5.0;
  application.add_option("--url", address, "Base URL");
  application.add_option("--client", client, "ours or hand-written")->check(CLI::IsMember({"ours", "hand-written"}));
  application.add_option("--in-flight", in_flight, "Requests at once");
  application.add_option("--warm-up", warm_up, "Seconds before counting");
  application.add_option("--seconds", seconds, "Seconds of counting");
  CLI11_PARSE(application, argc, argv);
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);

  std::uint64_t answered = 0;
  if (client == "ours") {
    answered = bench::run_ours(address, in_flight, warm_up, seconds);
  } else {
    auto const url = http::parse_url(address + "/chat/completions").value();
    auto const body = llm::encode_request(bench::make_request(), "max_completion_tokens");
    auto const request = fmt::format(
        "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nAccept: text/event-stream\r\n"
        "Content-Length: {}\r\n\r\n{}",
        url.target, url.authority(), body.size(), body);
    answered = bench::run_hand_written(url.host, url.port, request, in_flight, warm_up, seconds);
  }
  fmt::print("client={} in_flight={} requests_per_s={:.0f} cpu_s={:.2f} rss_mb={:.1f}\n", client, in_flight,
             static_cast<double>(answered) / seconds, bench::cpu_seconds(), bench::peak_rss_mb());
  return 0;
}
