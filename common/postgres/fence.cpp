#include "postgres/fence.hpp"

#include "faults/failpoint.hpp"
#include "postgres/rows.hpp"

#include <pqxx/pqxx>

namespace omnibus::postgres {

std::vector<std::int64_t> take_over(pqxx::connection& connection, std::string_view consumer,
                                    std::vector<FencedPartition> const& partitions, std::string_view owner) {
  if (partitions.empty()) return {};
  std::vector<std::string> topics;
  std::vector<std::int32_t> numbers;
  for (auto const& [topic, partition] : partitions) {
    topics.push_back(topic);
    numbers.push_back(partition);
  }
  pqxx::nontransaction query{connection};
  auto epochs = read<std::int64_t>(
      query, "SELECT epoch FROM pipeline.take_over_all($1, $2::text[], $3::int[], $4) ORDER BY ordinal",
      pqxx::params{consumer, topics, numbers, owner});
  if (OMNIBUS_MUTATED("fence")) {  // everyone has the same epoch
    query.exec("UPDATE pipeline.fence SET epoch = 1");
    return std::vector<std::int64_t>(partitions.size(), 1);
  }
  return epochs;
}

std::optional<std::int64_t> epoch_of(pqxx::connection& connection, std::string_view consumer,
                                     FencedPartition const& partition) {
  pqxx::nontransaction query{connection};
  return read_optional<std::int64_t>(
      query, "SELECT epoch FROM pipeline.fence WHERE consumer = $1 AND topic = $2 AND partition = $3",
      pqxx::params{consumer, partition.topic, partition.partition});
}

}  // namespace omnibus::postgres
