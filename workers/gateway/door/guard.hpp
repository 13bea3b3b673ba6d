/// Wraps every route: turns exceptions into responses, and adds the common headers.
#pragma once

#include "http/router.hpp"

#include <exception>
#include <functional>
#include <string_view>

namespace omnibus::gateway {

/// The RFC 9457 response to a route's exception. Shows no internal details.
http::Response refuse(std::exception const& error);

/// Answers exceptions of the handler by `refuse`, adds `X-Request-Id` (the request's own, if it is valid) and
/// the security headers, and logs the request: id, route, status and time, never its target or body.
http::Handler guarded(std::string_view route, http::Handler handler);
http::StreamHandler guarded_stream(std::string_view route, http::StreamHandler handler);

/// Refuses a request before its body is read when `check` throws, and answers as `guarded` does.
http::Doorkeeper guarded_door(std::function<Task<>(http::Request const&)> check);

/// Answers with a whole response, and can notice meanwhile that the client leaves.
using WaitingHandler = std::function<Task<http::Response>(http::Request const&, http::Stream& client)>;
/// The same for a route that waits for a worker; register it as a stream.
http::StreamHandler guarded_waiting(std::string_view route, WaitingHandler handler);

}  // namespace omnibus::gateway
