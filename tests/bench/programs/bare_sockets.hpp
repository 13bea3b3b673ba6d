/// What a turn is held against: the same requests on bare sockets, in plain C++ without any of Omnibus' libraries.
#pragma once

#include "span.hpp"

#include <cstddef>
#include <cstdint>
#include <string>

namespace omnibus::bench {

/// The request as our client encodes it, written out by hand.
std::string bare_request_body();

/// Asks a model so many times, `in_flight` at once, over as many bare sockets and one epoll. Understands no more of the
/// answers than where they end. @throws std::runtime_error when a connection breaks
Span call_model_by_sockets(std::string const& llm_url, std::size_t in_flight, std::uint64_t records);

}  // namespace omnibus::bench
