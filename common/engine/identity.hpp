/// A worker's names in Kafka, in the database and in its events.
#pragma once

#include "uuid/uuid.hpp"

#include <string>

namespace omnibus::engine {

struct Identity {
  std::string worker;    ///< the worker's name: its inbox, its metrics and the source of its events
  std::string group;     ///< its consumer group
  std::string instance;  ///< this process, for logs and for the owner column of the fence
  Uuid run_id{};         ///< nil, except in a replay: each run has a separate inbox
  std::string run{};     ///< its name

  /// A topic's name in the fence: a replay must not take partitions over from the live worker.
  std::string claimed(std::string const& topic) const { return run.empty() ? topic : topic + '@' + run; }
};

}  // namespace omnibus::engine
