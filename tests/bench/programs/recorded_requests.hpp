/// The limit of a worker that asks a model: its own requests, sent by the HTTP client alone.
#pragma once

#include "span.hpp"

#include <cstddef>
#include <iosfwd>
#include <string>
#include <vector>

namespace omnibus::bench {

/// Bodies of requests of which each needs the answer to the one before it.
using RequestChain = std::vector<std::string>;

/// Reads one body a line; an empty line ends a chain.
std::vector<RequestChain> read_chains(std::istream& lines);

/// Sends each chain's requests one after the other, `in_flight` chains at once, and reads the responses without
/// understanding them. @throws std::runtime_error when one is no success
Span send_chains(std::string const& llm_url, std::vector<RequestChain> const& chains, std::size_t in_flight);

}  // namespace omnibus::bench
