/// Who a worker is to Kafka, to the database and to those who read its events.
#pragma once

#include "events/uuid.hpp"

#include <string>

namespace omnibus::engine {

struct Identity {
  std::string worker;    ///< the worker's name: its inbox, its metrics and the source of its events
  std::string group;     ///< its consumer group
  std::string instance;  ///< this process, for logs and for the owner column of the fence
  Uuid run_id{};         ///< nil, except in a replay: each run has an inbox of its own
};

}  // namespace omnibus::engine
