#include "model_calls.hpp"

#include "bench_request.hpp"
#include "http/client.hpp"
#include "llm/openai_client.hpp"

#include <algorithm>
#include <exception>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

namespace omnibus::bench {
namespace {

Task<> keep_asking(llm::LlmPort& model, Span& span, std::uint64_t& left) {
  while (left > 0) {
    --left;
    span.begin();
    auto asking = model.complete(bench_request(), {});
    co_await std::move(asking);
    span.count();
  }
}

}  // namespace

Span call_model(std::string const& llm_url, std::size_t in_flight, std::uint64_t records) {
  boost::asio::io_context loop(1);
  http::HttpClientSettings settings;
  settings.max_connections_per_host = in_flight;
  settings.connect_timeout = longest_connect;
  http::Client client(loop, settings);
  llm::OpenAiClient model(client, {llm_url, "", 1024 * 1024, "max_completion_tokens"});
  Span span{records};
  auto left = records;
  std::exception_ptr failed;
  for (std::uint64_t i = 0; i < std::min<std::uint64_t>(in_flight, records); ++i)
    boost::asio::co_spawn(loop, keep_asking(model, span, left), [&](std::exception_ptr const& error) {
      if (error) failed = error;
      if (failed || span.done()) loop.stop();
    });
  loop.run();
  if (failed) std::rethrow_exception(failed);
  return span;
}

}  // namespace omnibus::bench
