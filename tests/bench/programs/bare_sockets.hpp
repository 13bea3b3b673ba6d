/// What our HTTP client is held against: the same requests by a client written for nothing else.
#pragma once

#include "span.hpp"

#include <cstddef>
#include <cstdint>
#include <string>

namespace omnibus::bench {

/// Asks a model so many times, `in_flight` at once, over as many bare sockets and one epoll. Understands no more of the
/// answers than where they end. @throws std::runtime_error when a connection breaks
Span call_model_by_sockets(std::string const& llm_url, std::size_t in_flight, std::uint64_t records);

}  // namespace omnibus::bench
