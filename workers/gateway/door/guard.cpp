#include "workers/gateway/door/guard.hpp"

#include "kafka/error.hpp"
#include "observability/log.hpp"
#include "postgres/errors.hpp"
#include "postgres/pool.hpp"
#include "uuid/uuid.hpp"
#include "workers/gateway/door/refusal.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include <boost/system/system_error.hpp>

namespace omnibus::gateway {
namespace {

using Clock = std::chrono::steady_clock;

http::Response answer(Refusal const& refusal) {
  auto response = http::problem(refusal.status, refusal.title, refusal.detail, refusal.field);
  if (refusal.retry_after) {
    auto const seconds = std::chrono::ceil<std::chrono::seconds>(*refusal.retry_after).count();
    response.headers.set("Retry-After", std::to_string(std::max<std::int64_t>(seconds, 1)));
  }
  if (refusal.status == 401) response.headers.set("WWW-Authenticate", "Bearer realm=\"omnibus\"");
  return response;
}

bool is_sane_id(std::string_view id) {
  return !id.empty() && id.size() <= 64 && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  });
}

std::string request_id(http::Request const& request) {
  auto const given = request.headers.find("X-Request-Id");
  return given && is_sane_id(*given) ? std::string(*given) : to_string(random_uuid());
}

void complete(http::Response& response, std::string const& id) {
  response.headers.set("X-Request-Id", id);
  response.headers.set("X-Content-Type-Options", "nosniff");
  response.headers.set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'");
  response.headers.set("Referrer-Policy", "no-referrer");
  response.headers.set("Cache-Control", "no-store");
}

void note(std::string_view route, std::string const& id, int status, Clock::time_point began) {
  auto const took = std::chrono::duration<double, std::milli>(Clock::now() - began).count();
  auto const level = status >= 500 ? log::Level::warn : log::Level::debug;
  log::write(level, "request", {{"route", route}, {"request_id", id}, {"status", status}, {"ms", took}});
}

Task<http::Response> run(std::string_view route, http::Handler const& handler, http::Request const& request) {
  auto const began = Clock::now();
  auto const id = request_id(request);
  http::Response response;
  try {
    auto handling = handler(request);
    response = co_await std::move(handling);
  } catch (std::exception const& error) {
    response = refuse(error);
  }
  complete(response, id);
  note(route, id, response.status, began);
  co_return response;
}

Task<std::optional<http::Response>> run_check(std::function<Task<>(http::Request const&)> const& check,
                                              http::Request const& request) {
  auto const began = Clock::now();
  std::optional<http::Response> refused;
  try {
    auto checking = check(request);
    co_await std::move(checking);
  } catch (std::exception const& error) {
    refused = refuse(error);
  }
  if (!refused) co_return refused;
  auto const id = request_id(request);
  complete(*refused, id);
  note("before the body", id, refused->status, began);
  co_return refused;
}

Task<> run_stream(std::string_view route, http::StreamHandler const& handler, http::Request const& request,
                  http::Stream& stream) {
  auto const began = Clock::now();
  auto const id = request_id(request);
  std::optional<http::Response> refused;
  try {
    auto handling = handler(request, stream);
    co_await std::move(handling);
  } catch (boost::system::system_error const&) {
    // The reader has disconnected, which is normal.
  } catch (std::exception const& error) {
    refused = refuse(error);
  }
  note(route, id, refused ? refused->status : 200, began);
  if (!refused) co_return;
  complete(*refused, id);
  try {
    auto responding = stream.respond(std::move(*refused));
    co_await std::move(responding);
  } catch (std::exception const&) {
    // The stream had begun: it ends here, and its client resumes.
  }
}

Task<> run_waiting(std::string_view route, WaitingHandler const& handler, http::Request const& request,
                   http::Stream& client) {
  http::Handler const bound = [&](http::Request const& each) { return handler(each, client); };
  auto running = run(route, bound, request);
  auto response = co_await std::move(running);
  try {
    auto responding = client.respond(std::move(response));
    co_await std::move(responding);
  } catch (boost::system::system_error const&) {
    // The client has left.
  }
}

}  // namespace

http::Response refuse(std::exception const& error) {
  if (auto const* const refusal = dynamic_cast<Refusal const*>(&error)) return answer(*refusal);
  if (dynamic_cast<kafka::Error const*>(&error) != nullptr)
    return answer(Refusal::unavailable("Kafka does not answer"));
  auto const of_database =
      postgres::is_database_error(error) || dynamic_cast<postgres::PoolUnavailable const*>(&error) != nullptr;
  if (of_database && classify_database_error(error) != DatabaseError::permanent) {
    log::warn("the database does not answer", {{"reason", error.what()}});
    return answer(Refusal::unavailable("The database does not answer"));
  }
  log::error("a request failed", {{"reason", error.what()}});
  return http::problem(500, "The request could not be served");
}

http::Handler guarded(std::string_view route, http::Handler handler) {
  return [route, handler = std::move(handler)](http::Request const& request) { return run(route, handler, request); };
}

http::StreamHandler guarded_stream(std::string_view route, http::StreamHandler handler) {
  return [route, handler = std::move(handler)](http::Request const& request, http::Stream& stream) {
    return run_stream(route, handler, request, stream);
  };
}

http::Doorkeeper guarded_door(std::function<Task<>(http::Request const&)> check) {
  return [check = std::move(check)](http::Request const& request) { return run_check(check, request); };
}

http::StreamHandler guarded_waiting(std::string_view route, WaitingHandler handler) {
  return [route, handler = std::move(handler)](http::Request const& request, http::Stream& client) {
    return run_waiting(route, handler, request, client);
  };
}

}  // namespace omnibus::gateway
