/// What a server makes of the head of a request, and what it refuses. Pure, no IO.
#pragma once

#include "http/message.hpp"
#include "http/server.hpp"

#include <optional>

#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/system/error_code.hpp>

namespace omnibus::http {

/// Method, target and headers, as they came.
Request take_head(boost::beast::http::request_header<> const& head);

/// Why a request of this head is not served; nothing when it is. Fills path and query. `version` is 10 or 11.
/// What two readers could understand differently is refused: between a proxy and us it would smuggle a request.
std::optional<Response> objection(unsigned version, Request& request);

/// What is wrong with a request that cannot be read; nothing when there is nobody to tell.
std::optional<Response> refusal(boost::system::error_code const& failure, ServerSettings const& settings);

}  // namespace omnibus::http
