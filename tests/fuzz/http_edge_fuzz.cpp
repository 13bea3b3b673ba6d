/// The server's edge under libFuzzer: any bytes as all that a peer says on one connection, through parser, limits,
/// router and handlers, over a socket pair. What is answered does not depend on how the bytes are cut, our own client
/// understands it, and the connection ends once its peer has said all. The first byte is the size of the pieces.
/// Built and run by tests/fuzz/run.
#include "http/response_parser.hpp"
#include "http/server_connection.hpp"
#include "observability/log.hpp"
#include "tests/fuzz/must.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <sys/socket.h>
#include <unistd.h>

using namespace omnibus;
using namespace omnibus::http;
namespace asio = boost::asio;

namespace {

struct Answered {
  std::string method;
  int status = 0;
  bool refused = false;
};

Task<Response> echo(Request const& request) {
  auto body = request.method + " " + request.path + " " + request.content_type() + " " + request.body;
  for (auto const& [name, value] : request.query) body.append("|").append(name).append("=").append(value);
  for (auto const& [name, value] : request.parameters) body.append("|").append(name).append("=").append(value);
  Response response{200, {{"Content-Type", request.content_type()}, {"X-Path", request.path}}, std::move(body)};
  co_return response;
}

Task<Response> nothing(Request const&) {
  co_return Response{204, {}, {}};
}

Task<Response> fail(Request const& request) {
  throw std::runtime_error(request.body);
  co_return Response{};
}

Task<> stream_body(Request const& request, Stream& stream) {
  auto starting = stream.start(200, {{"Content-Type", "text/event-stream"}});
  co_await std::move(starting);
  for (auto const character : request.body) {
    auto writing = stream.write(std::string_view(&character, 1));
    co_await std::move(writing);
  }
}

Task<> respond_instead(Request const& request, Stream& stream) {
  auto responding = stream.respond(text_response(404, request.path));
  co_await std::move(responding);
}

Router routes() {
  Router router;
  router.get("/echo", echo);
  router.post("/echo", echo);
  router.post("/v1/things/{id}/parts/{part}", echo);
  router.get("/v1/things/{id}", echo);
  router.get("/nothing", nothing);
  router.get("/fail", fail);
  router.add_stream("POST", "/stream", stream_body);
  router.add_stream("GET", "/stream", stream_body);
  router.add_stream("GET", "/instead", respond_instead);
  return router;
}

/// One server for all inputs, run by hand on this thread.
class Edge {
 public:
  Edge()
      : server_(std::make_shared<ServerConnections>(
            small(), routes(),
            [this](Request const& request, std::string_view, int status, std::chrono::nanoseconds took) {
              answered_.push_back({request.method, status, took == std::chrono::nanoseconds(0)});
            })) {}

  /// All that the server says to a peer that says `input` in pieces of that size.
  std::string serve(std::string_view input, std::size_t piece) {
    answered_.clear();
    output_.clear();
    std::array<int, 2> ends{};
    must(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()) == 0, "there are sockets to be had");
    peer_ = ends[0];
    auto const strand = asio::any_io_executor(asio::make_strand(context_));
    auto connection =
        std::make_shared<ServerConnection>(asio::ip::tcp::socket(strand, asio::ip::tcp::v4(), ends[1]), server_);
    std::weak_ptr<ServerConnection> const alive = connection;
    asio::co_spawn(strand, ServerConnection::serve(std::move(connection)), asio::detached);
    settle();
    while (!input.empty()) {
      auto const sent = ::send(peer_, input.data(), std::min(piece, input.size()), MSG_NOSIGNAL);
      if (sent <= 0) break;  // it has closed
      input.remove_prefix(static_cast<std::size_t>(sent));
      settle();
    }
    ::shutdown(peer_, SHUT_WR);
    settle();
    must(alive.expired() && server_->count() == 0, "a connection ends once its peer has said all");
    ::close(peer_);
    return output_;
  }

  std::vector<Answered> const& answered() const { return answered_; }

 private:
  static ServerSettings small() {
    ServerSettings settings;
    settings.max_header_bytes = 512;
    settings.max_body_bytes = 256;
    settings.max_requests_per_connection = 8;
    // However long this process is stopped or waits for a processor, that is no part of what it says.
    settings.header_timeout = settings.body_timeout = settings.keep_alive_timeout = settings.write_timeout =
        std::chrono::hours(24);
    return settings;
  }

  void settle() {
    auto idle = false;
    while (!idle) {
      idle = context_.poll() == 0;
      std::array<char, 4096> buffer;
      for (auto got = ::recv(peer_, buffer.data(), buffer.size(), 0); got > 0;
           got = ::recv(peer_, buffer.data(), buffer.size(), 0)) {
        output_.append(buffer.data(), static_cast<std::size_t>(got));
        idle = false;
      }
    }
  }

  asio::io_context context_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_ = asio::make_work_guard(context_);
  std::vector<Answered> answered_;
  std::string output_;
  int peer_ = -1;
  std::shared_ptr<ServerConnections> server_;
};

/// What was written is one response for each request that was answered, in order, and nothing else. Returns them, but
/// the refusal that may end a connection: how soon a head that never becomes whole is refused is left to the parser.
std::string understood(std::string_view output, std::vector<Answered> const& answered) {
  using Step = ResponseParser::Step;
  std::string seen;
  for (auto const& [method, status, refused] : answered) {
    must(!refused || &status == &answered.back().status, "nothing is answered after a refusal");
    ResponseParser parser;
    parser.begin(method == "HEAD", 64 * 1024);
    auto step = Step::need_more;
    while (step != Step::done) {
      step = parser.next(output);
      must(step != Step::failed, "an answer is HTTP");
      must(step != Step::need_more || (parser.complete_at_close() && output.empty()), "an answer is whole");
      if (step == Step::need_more) break;
      if (step == Step::head) must(parser.head().status() == status, "an answer has the status that was observed");
      if (step == Step::head && !refused) seen += parser.head().text();
      if (step == Step::body && !refused) seen += parser.body();
    }
  }
  // A peer that expects 100-continue and then says no more has been told to go on.
  constexpr std::string_view proceed = "HTTP/1.1 100 Continue\r\n\r\n";
  if (output.starts_with(proceed)) output.remove_prefix(proceed.size());
  must(output.empty(), "nothing but answers is written");
  return seen;
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  log::configure("fuzz", log::Level::off);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* bytes, std::size_t size) {
  static Edge edge;
  if (size == 0) return 0;
  auto const piece = static_cast<std::size_t>(bytes[0]) + 1;
  std::string_view const input(reinterpret_cast<char const*>(bytes) + 1, size - 1);
  auto const answer = [&](std::size_t pieces) {
    auto const output = edge.serve(input, pieces);
    return understood(output, edge.answered());
  };
  auto const whole = answer(input.size() + 1);
  auto const cut = answer(piece);
  if (cut != whole) std::fprintf(stderr, "--- whole:\n%s\n--- in pieces:\n%s\n", whole.c_str(), cut.c_str());
  must(cut == whole, "what is answered does not depend on how the bytes are cut");
  return 0;
}
