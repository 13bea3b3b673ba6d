#include "recorded_requests.hpp"

#include "bench_request.hpp"
#include "http/client.hpp"
#include "http/url.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <exception>
#include <istream>
#include <stdexcept>
#include <string_view>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

namespace omnibus::bench {
namespace {

constexpr std::chrono::seconds longest_answer{60};

/// Takes a response and keeps nothing of it.
class DiscardedResponse final : public http::ResponseReader {
 public:
  void head(http::ResponseHead const& head) override {
    if (head.status() != 200) throw std::runtime_error("the model answered with " + std::to_string(head.status()));
  }
  bool body(std::string_view) override { return true; }
};

Task<> send_from(http::Client& client, http::Url const& url, std::vector<RequestChain> const& chains, std::size_t& next,
                 Span& span) {
  while (next < chains.size()) {
    for (auto const& body : chains[next++]) {
      span.begin();
      http::ClientRequest request{"POST", url, {{"Content-Type", "application/json"}}, body, longest_answer};
      DiscardedResponse response;
      auto sending = client.send(request, response);
      co_await std::move(sending);
      span.count();
    }
  }
}

}  // namespace

std::vector<RequestChain> read_chains(std::istream& lines) {
  std::vector<RequestChain> chains;
  auto ended = true;
  for (std::string line; std::getline(lines, line); ended = line.empty()) {
    if (line.empty()) continue;
    if (ended) chains.emplace_back();
    chains.back().push_back(line);
  }
  return chains;
}

Span send_chains(std::string const& llm_url, std::vector<RequestChain> const& chains, std::size_t in_flight) {
  auto const url = http::parse_url(llm_url + "/chat/completions").value();
  std::uint64_t requests = 0;
  for (auto const& chain : chains) requests += chain.size();
  if (requests == 0) throw std::runtime_error("there is no request to send");
  boost::asio::io_context loop(1);
  http::HttpClientSettings settings;
  settings.max_connections_per_host = in_flight;
  settings.connect_timeout = longest_connect;
  http::Client client(loop, settings);
  Span span{requests};
  std::size_t next = 0;
  std::exception_ptr failed;
  for (std::size_t i = 0; i < std::min(in_flight, chains.size()); ++i)
    boost::asio::co_spawn(loop, send_from(client, url, chains, next, span), [&](std::exception_ptr const& error) {
      if (error) failed = error;
      if (failed || span.done()) loop.stop();
    });
  loop.run();
  if (failed) std::rethrow_exception(failed);
  return span;
}

}  // namespace omnibus::bench
