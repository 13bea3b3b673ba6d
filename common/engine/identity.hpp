/// Who a worker is to Kafka, to the database and to those who read its events.
#pragma once

#include "uuid/uuid.hpp"

#include <string>

namespace omnibus::engine {

struct Identity {
  std::string worker;    ///< the worker's name: its inbox, its metrics and the source of its events
  std::string group;     ///< its consumer group
  std::string instance;  ///< this process, for logs and for the owner column of the fence
  Uuid run_id{};         ///< nil, except in a replay: each run has an inbox of its own
  std::string run{};     ///< its name

  /// What the fence knows a topic by: a replay must not take partitions over from the worker itself.
  std::string claimed(std::string const& topic) const { return run.empty() ? topic : topic + '@' + run; }
};

}  // namespace omnibus::engine
