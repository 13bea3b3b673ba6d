#include "http/client.hpp"

#include "concurrency/outgoing.hpp"
#include "http/client_pool.hpp"

#include <limits>

#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/post.hpp>
#include <fmt/format.h>

namespace omnibus::http {

namespace asio = boost::asio;

namespace {

constexpr std::string_view empty_line = "\r\n\r\n";

template <class Handler>
struct WaiterOf final : ClientWaiter {
  explicit WaiterOf(Handler its_handler) : handler(std::move(its_handler)) {}
  void wake() override {
    auto resumed = std::move(handler);  // this object is a part of the coroutine, which may end
    std::move(resumed)();
  }
  void post() override { asio::post(std::move(handler)); }
  Handler handler;
};

bool clean(std::string_view text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos;
}

/// Request line and headers, without the empty line. @throws std::invalid_argument
std::string head_of(std::string_view method, Url const& url, Headers const& headers) {
  auto good = clean(method) && clean(url.target) && clean(url.host);
  std::size_t size = method.size() + url.target.size() + url.host.size();
  for (auto const& [name, value] : headers) {
    good = good && clean(name) && clean(value);
    size += name.size() + value.size() + 4;
  }
  if (!good) throw std::invalid_argument("a request line or header holds a line break");
  std::string head;
  head.reserve(size + 64);
  head.append(method).append(" ").append(url.target).append(" HTTP/1.1\r\nHost: ");
  head.append(url.authority()).append("\r\n");
  for (auto const& [name, value] : headers) head.append(name).append(": ").append(value).append("\r\n");
  return head;
}

std::string to_wire(ClientRequest const& request) {
  auto wire = head_of(request.method, request.url, request.headers);
  if (!request.body.empty() || request.method == "POST" || request.method == "PUT" || request.method == "PATCH") {
    fmt::format_to(std::back_inserter(wire), "Content-Length: {}\r\n", request.body.size());
  }
  wire.append("\r\n").append(request.body);
  return wire;
}

struct Plan {
  std::string wire;
  std::size_t begin;
  std::chrono::milliseconds deadline;
  std::size_t max_response_bytes;
  bool head_request;
};

Task<> run(std::shared_ptr<ClientPool> pool, ClientHost& host, Plan plan, ResponseReader& reader) {
  ClientExchange exchange(*pool, host);
  exchange.wire = std::move(plan.wire);
  exchange.begin = plan.begin;
  exchange.reader = &reader;
  exchange.max_response_bytes = plan.max_response_bytes;
  exchange.head_request = plan.head_request;
  auto const begin = [&exchange, deadline = plan.deadline](auto handler) {
    exchange.cancellation = asio::get_associated_cancellation_slot(handler);
    if (exchange.cancellation.is_connected()) {
      exchange.cancellation.assign([&exchange](asio::cancellation_type type) {
        if (type == asio::cancellation_type::none || exchange.waiter.get() == nullptr) return;
        exchange.pool.fail(exchange, ClientError::Kind::cancelled, "the request was cancelled");
      });
    }
    exchange.waiter.emplace<WaiterOf<decltype(handler)>>(std::move(handler));
    exchange.pool.submit(exchange, deadline);
  };
  // Not use_awaitable, which would need an extra frame for each request that waits.
  auto waiting = asio::async_initiate<asio::deferred_t const, void()>(begin, asio::deferred);
  co_await std::move(waiting);  // NOLINT(performance-move-const-arg): Asio does not promise that it can be copied
  if (exchange.failure) std::rethrow_exception(exchange.failure);
}

class Collector final : public ResponseReader {
 public:
  explicit Collector(Response& response) : response_(response) {}
  void head(ResponseHead const& head) override {
    response_.status = head.status();
    auto rest = head.text();
    while (!rest.empty()) {
      auto const end = rest.find('\n');
      auto line = rest.substr(0, end);
      rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
      if (auto const colon = line.find(':'); colon != std::string_view::npos) {
        auto value = line.substr(colon + 1);
        auto const begin = value.find_first_not_of(" \t");
        auto const last = value.find_last_not_of(" \t\r");
        value = begin == std::string_view::npos || last < begin ? "" : value.substr(begin, last - begin + 1);
        response_.headers.add(std::string(line.substr(0, colon)), std::string(value));
      }
    }
  }
  bool body(std::string_view piece) override {
    response_.body += piece;
    return true;
  }

 private:
  Response& response_;
};

Task<Response> collect(Client& client, ClientRequest request) {
  Response response;
  Collector collector(response);
  auto sending = client.send(request, collector);
  request = {};
  co_await std::move(sending);
  co_return response;
}

}  // namespace

PostHead::PostHead(Client& client, Url const& url, Headers const& headers)
    : host_(&client.pool_->host_of(url)), text_(head_of("POST", url, headers) + "Content-Length: ") {}

PostRequest::PostRequest(PostHead const& head, std::size_t expected_bytes)
    : head_(head), room_(head.text_.size() + std::numeric_limits<std::size_t>::digits10 + 1 + empty_line.size()) {
  wire_.reserve(room_ + expected_bytes);
  wire_.resize(room_);
}

std::size_t PostRequest::finish() {
  fmt::format_int const length(wire_.size() - room_);
  auto begin = room_;
  for (std::string_view const part :
       {empty_line, std::string_view(length.data(), length.size()), std::string_view(head_.text_)}) {
    begin -= part.size();
    wire_.replace(begin, part.size(), part);
  }
  return begin;
}

Client::Client(asio::io_context& context, HttpClientSettings settings)
    : pool_(std::make_shared<ClientPool>(context, std::move(settings))) {
  pool_->start();
}

Client::~Client() {
  pool_->shutdown();
}

Task<> Client::send(ClientRequest const& request, ResponseReader& reader) {
  require_outgoing("an HTTP request");
  Plan plan{to_wire(request), 0, request.deadline, request.max_response_bytes, request.method == "HEAD"};
  return run(pool_, pool_->host_of(request.url), std::move(plan), reader);
}

Task<> Client::send(PostRequest request, std::chrono::milliseconds deadline, std::size_t max_response_bytes,
                    ResponseReader& reader) {
  require_outgoing("an HTTP request");
  auto const begin = request.finish();
  return run(pool_, *request.head_.host_, {std::move(request.wire_), begin, deadline, max_response_bytes, false},
             reader);
}

Task<Response> Client::fetch(ClientRequest const& request) {
  return collect(*this, request);
}

Client::Counts Client::counts() const {
  return pool_->counts();
}

}  // namespace omnibus::http
