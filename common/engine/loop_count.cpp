#include "engine/loop_count.hpp"

#include "kafka/topics.hpp"
#include "observability/log.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>

namespace omnibus::engine {

std::size_t count_loops(WorkerSettings const& settings, bool replay) {
  if (replay) return 1;
  return static_cast<std::size_t>(std::min({settings.loops, settings.max_in_flight, settings.database_pool}));
}

void tell_of_loops(WorkerSettings const& settings, std::string_view worker, std::size_t loops) {
  if (std::cmp_less(loops, settings.loops))
    log::warn("fewer event loops than LOOPS: each needs one of MAX_IN_FLIGHT and one of DATABASE_POOL",
              {{"loops", loops}});
  std::int64_t partitions = 0;
  for (auto const* const topic : kafka::TopicCatalog::built_in().consumed_by(worker)) partitions += topic->partitions;
  if (partitions > 0 && std::cmp_greater(loops, partitions))
    log::warn("more event loops than partitions: some stay idle; set LOOPS to fewer",
              {{"loops", loops}, {"partitions", partitions}});
}

}  // namespace omnibus::engine
