#include "engine/loop_count.hpp"

#include "kafka/topics.hpp"
#include "observability/log.hpp"

#include <algorithm>
#include <cstdint>

namespace omnibus::engine {

std::size_t count_loops(WorkerSettings const& settings, std::string_view worker, bool replay) {
  if (replay) return 1;
  auto const loops = std::min({settings.loops, settings.max_in_flight, settings.database_pool});
  if (loops < settings.loops)
    log::warn("fewer event loops than LOOPS: each needs one of MAX_IN_FLIGHT and one of DATABASE_POOL",
              {{"loops", loops}});
  std::int64_t partitions = 0;
  for (auto const* const topic : kafka::TopicCatalog::built_in().consumed_by(worker)) partitions += topic->partitions;
  if (partitions > 0 && loops > partitions)
    log::warn("more event loops than partitions: some stay idle; set LOOPS to fewer",
              {{"loops", loops}, {"partitions", partitions}});
  return static_cast<std::size_t>(loops);
}

}  // namespace omnibus::engine
