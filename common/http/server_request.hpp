/// Checks the head of a request. Pure, no IO.
#pragma once

#include "http/message.hpp"
#include "http/server.hpp"

#include <optional>

#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/system/error_code.hpp>

namespace omnibus::http {

/// Method, target and headers, as received.
Request take_head(boost::beast::http::request_header<> const& head);

/// Why a request with this head is rejected; nothing when it is served. Fills path and query. `version` is 10 or 11.
/// An ambiguous head is rejected: a proxy in front of us could read it differently (request smuggling).
std::optional<Response> objection(unsigned version, Request& request);

/// The response to a request that cannot be parsed; nothing when the peer has gone.
std::optional<Response> refusal(boost::system::error_code const& failure, ServerSettings const& settings);

}  // namespace omnibus::http
