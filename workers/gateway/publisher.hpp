/// Publishes events to Kafka.
#pragma once

#include "concurrency/task.hpp"
#include "kafka/cloud_event.hpp"
#include "kafka/producer.hpp"
#include "kafka/topics.hpp"

#include <string>
#include <vector>

namespace omnibus::gateway {

/// Publishes to the topic of the event's type.
class Publisher {
 public:
  Publisher(kafka::Producer& producer, kafka::TopicCatalog const& topics) : producer_(producer), topics_(topics) {}

  /// Ends when every in-sync replica has the event.
  /// @throws Refusal 413 when it is larger than the topic allows, 503 when Kafka did not acknowledge it in time. In the
  /// second case it may have been written: publish it again only with the same id.
  Task<> publish(Envelope envelope, std::string data, std::string key);

  struct Event {
    Envelope envelope;
    std::string data;
    std::string key;
  };
  /// The same for several events; those of one key in order. @throws as publish does for the first that failed;
  /// others may have been written.
  Task<> publish_all(std::vector<Event> events);

 private:
  kafka::Producer& producer_;
  kafka::TopicCatalog const& topics_;
};

}  // namespace omnibus::gateway
