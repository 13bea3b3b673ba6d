/// Around every route: what goes wrong becomes an answer, and every answer has what all answers have.
#pragma once

#include "http/router.hpp"

#include <exception>

namespace omnibus::gateway {

/// The RFC 9457 answer to what a route threw. Tells a client nothing of the inside.
http::Response refuse(std::exception const& error);

/// Answers exceptions of the handler by `refuse`, adds `X-Request-Id` (the request's own, where it has a sane one) and
/// the security headers, and logs the request: id, route, status and time, never its target or body.
http::Handler guarded(std::string_view route, http::Handler handler);
http::StreamHandler guarded_stream(std::string_view route, http::StreamHandler handler);

}  // namespace omnibus::gateway
