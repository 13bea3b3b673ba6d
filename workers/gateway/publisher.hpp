/// Publishes events to Kafka.
#pragma once

#include "concurrency/task.hpp"
#include "kafka/cloud_event.hpp"
#include "kafka/producer.hpp"
#include "kafka/topics.hpp"
#include "postgres/pool.hpp"
#include "sealing/sealer.hpp"

#include <string>
#include <vector>

namespace omnibus::gateway {

/// Publishes to the topic of the event's type, and seals what its tenant wants sealed.
class Publisher {
 public:
  Publisher(kafka::Producer& producer, kafka::TopicCatalog const& topics, sealing::Sealer& sealer,
            TransactionPool& pool)
      : producer_(producer), topics_(topics), sealer_(sealer), pool_(pool) {}

  /// Ends when every in-sync replica has the event.
  /// @throws Refusal 413 when it is larger than the topic allows, 503 when it cannot be sealed now or Kafka did not
  /// acknowledge it in time. In the last case it may have been written: publish it again only with the same id.
  Task<> publish(Envelope envelope, std::string data, std::string key);

  struct Event {
    Envelope envelope;
    std::string data;
    std::string key;
    std::string domain{};  ///< the tenant of an event whose data does not name it
  };
  /// The same for several events; those of one key in order. @throws as publish does for the first that failed;
  /// others may have been written.
  Task<> publish_all(std::vector<Event> events);

 private:
  Task<> seal(Event& event);

  kafka::Producer& producer_;
  kafka::TopicCatalog const& topics_;
  sealing::Sealer& sealer_;
  TransactionPool& pool_;
};

}  // namespace omnibus::gateway
