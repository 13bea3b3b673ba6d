#include "postgres/outbox_publishing.hpp"

#include <memory>
#include <mutex>

namespace omnibus::postgres {

std::vector<std::int64_t> publish_rows(kafka::Producer& producer, std::span<OutboxRow const> rows,
                                       std::chrono::milliseconds patience) {
  struct Acknowledged {
    std::mutex mutex;
    std::vector<std::int64_t> ids;
  };
  // Shared, since a late acknowledgement comes after the return.
  auto const acknowledged = std::make_shared<Acknowledged>();
  auto const generation = producer.generation();
  for (auto const& row : rows) {
    auto const acknowledge = [acknowledged, id = row.id](kafka::Acknowledgement const& delivery) {
      if (delivery.error != nullptr) return;
      std::scoped_lock const lock{acknowledged->mutex};
      acknowledged->ids.push_back(id);
    };
    producer.produce(row.record, acknowledge, generation);
  }
  producer.flush(patience);
  std::scoped_lock const lock{acknowledged->mutex};
  return acknowledged->ids;
}

}  // namespace omnibus::postgres
