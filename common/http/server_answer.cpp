// How a server's connection answers a request.
#include "http/server_connection.hpp"
#include "observability/log.hpp"

#include <exception>
#include <string>
#include <typeinfo>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/core/demangle.hpp>

namespace omnibus::http {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

/// Logs the place and the type, but not the exception's text: it may contain a person's words.
void log_failure(std::string_view pattern, std::exception_ptr const& failure) {
  std::string type = "unknown";
  try {
    std::rethrow_exception(failure);
  } catch (std::exception const& error) {
    type = boost::core::demangle(typeid(error).name());
  } catch (...) {
  }
  log::error("request failed", {{"route", pattern}, {"type", type}});
}

}  // namespace

Task<> ServerConnection::answer(Request& request) {
  auto const begun = Clock::now();
  phase_ = Phase::answering;
  auto const match = server_->router.match(request);
  if (match.stream != nullptr) {
    auto running = run_stream(match, request);
    auto const fine = co_await std::move(running);
    if (!fine) keep_alive_ = false;
  } else {
    Response response;
    if (match.handler != nullptr) {
      auto running = run_handler(match, request, response);
      co_await std::move(running);
    } else if (!match.allow.empty()) {
      response = problem(405, {}, "this path answers to " + match.allow);
      response.headers.add("Allow", match.allow);
    } else {
      response = problem(404, {}, "there is nothing at this path");
    }
    auto sending = send(response);
    co_await std::move(sending);
  }
  if (server_->observer) server_->observer(request, match.pattern, status_, Clock::now() - begun);
}

Task<> ServerConnection::run_handler(Router::Match const& match, Request const& request, Response& response) {
  try {
    auto running = (*match.handler)(request);
    response = co_await std::move(running);
  } catch (...) {
    log_failure(match.pattern, std::current_exception());
    response = problem(500, {}, "the request could not be served");
  }
}

/// True when the connection can serve another request.
Task<bool> ServerConnection::run_stream(Router::Match const& match, Request const& request) {
  started_ = false;
  closed_ = false;
  broken_ = false;
  status_ = 0;
  if (buffer_.size() == 0) buffer_.shrink_to_fit();
  auto failed = false;
  try {
    auto running = (*match.stream)(request, *this);
    co_await std::move(running);
  } catch (...) {
    failed = true;
    if (!closed_) log_failure(match.pattern, std::current_exception());
  }
  on_close_ = nullptr;
  stop_watching();
  if (status_ == 0) {
    auto const response = problem(500, {}, "the request could not be served");
    auto sending = send(response);
    co_await std::move(sending);
    co_return true;
  }
  if (!started_) co_return true;
  auto const complete = !failed && (!closed_ || server_->stopping);
  phase_ = Phase::answering;
  error_code error;
  if (!complete || head_ || !chunked_) co_return complete && !old_peer_;
  constexpr std::string_view last = "0\r\n\r\n";
  arm(settings().write_timeout);
  auto writing = asio::async_write(socket_, asio::buffer(last), asio::redirect_error(asio::use_awaitable, error));
  co_await std::move(writing);
  disarm();
  co_return !error;
}

}  // namespace omnibus::http
