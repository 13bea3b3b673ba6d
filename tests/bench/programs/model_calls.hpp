/// The limit of model turns: the HTTP client alone, nothing before and nothing behind it.
#pragma once

#include "span.hpp"

#include <cstddef>
#include <cstdint>
#include <string>

namespace omnibus::bench {

/// Asks so many times, `in_flight` at once, through our client for models. @throws std::runtime_error when one fails
Span call_model(std::string const& llm_url, std::size_t in_flight, std::uint64_t records);

}  // namespace omnibus::bench
