/// The objects that a handler is constructed from.
#pragma once

#include "concurrency/loop_place.hpp"
#include "handler/shared_objects.hpp"
#include "kafka/client_settings.hpp"
#include "postgres/pool.hpp"
#include "sealing/master_keys.hpp"
#include "sealing/sealer.hpp"
#include "uuid/uuid.hpp"

#include <cstdint>
#include <memory>

#include <boost/asio/io_context.hpp>

namespace omnibus {

/// What the engine provides to a handler; outlives the handler. A process has a handler for each of its event loops
/// (LOOPS), as if each were a process: what a handler keeps is used on its own loop only. A limit that holds for the
/// process is divided with `place`, or belongs to an object of `shared`.
struct Resources {
  boost::asio::io_context& loop;
  TransactionPool& pool;
  /// True in a replay: then a handler must not create a client of anything that costs money or reaches people.
  bool replay = false;
  Uuid run_id{};  ///< the id of the replay; nil outside of one
  /// MAX_ATTEMPTS: after this many failed attempts the engine gives up an event.
  std::uint32_t max_attempts = 8;
  kafka::ClientSettings kafka{};  ///< for a handler that reads topics itself
  sealing::MasterKeySettings master{};
  sealing::Sealer* sealer = nullptr;  ///< for a handler that reads topics itself; none in tests of handlers
  LoopPlace place{};                  ///< of `loop` among the loops of the process
  std::shared_ptr<SharedObjects> shared = std::make_shared<SharedObjects>();
};

}  // namespace omnibus
