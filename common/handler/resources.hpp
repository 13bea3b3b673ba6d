/// What a handler is made from.
#pragma once

#include "postgres/pool.hpp"
#include "uuid/uuid.hpp"

#include <cstdint>

#include <boost/asio/io_context.hpp>

namespace omnibus {

/// What a handler may stand on; outlives it.
struct Resources {
  boost::asio::io_context& loop;
  TransactionPool& pool;
  /// A replay: no handler may make a client of anything that is paid for or reaches people.
  bool replay = false;
  Uuid run_id{};  ///< which replay; nil where it is none
  /// MAX_ATTEMPTS: the failed attempt after which the engine gives an event up.
  std::uint32_t max_attempts = 8;
};

}  // namespace omnibus
