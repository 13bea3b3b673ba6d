/// librdkafka's built-in broker: Kafka's protocol without Kafka, for the demo and for tests.
#pragma once

#include "kafka/topics.hpp"

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

namespace omnibus::kafka {

/// The embedded broker's limits, as text: shown when it starts and in the help.
std::string_view embedded_broker_limits();

struct EmbeddedBrokerSettings {
  int brokers = 1;
  std::chrono::milliseconds session_timeout{10'000};  ///< after which a silent member of a KIP-848 group is removed
  std::chrono::milliseconds heartbeat_interval{1'000};
};

/// A cluster on random ports of 127.0.0.1 that lives as long as this object, on separate threads. Its records are lost
/// with it.
class EmbeddedBroker {
 public:
  /// Starts with every topic of the catalogue.
  /// @throws Error when it cannot listen.
  explicit EmbeddedBroker(TopicCatalog const& catalog, EmbeddedBrokerSettings const& settings = {});
  ~EmbeddedBroker();
  EmbeddedBroker(EmbeddedBroker const&) = delete;
  EmbeddedBroker& operator=(EmbeddedBroker const&) = delete;

  /// `host:port` of every broker, as clients take it.
  std::string const& bootstrap() const;

  /// Adds a topic; an existing one stays unchanged.
  void create_topic(std::string const& name, int partitions);

  /// Answers questions about a topic with this error, such as UNKNOWN_TOPIC_OR_PART; 0 ends that.
  void refuse_topic(std::string const& name, int error_code);

  /// Takes a broker (numbered from 1) off the network, or brings it back with all its records.
  void set_down(int broker);
  void set_up(int broker);

  /// Elects this broker (numbered from 1) as leader of a partition, also if it is the leader already: the leader epoch
  /// rises. Commits with an earlier leader epoch are refused from then on, each partition by itself.
  void elect_leader(std::string const& topic, std::int32_t partition, int broker = 1);

  /// Delays every answer by this time.
  void set_round_trip(std::chrono::milliseconds time);

  /// Answers the next `count` requests of this kind (Kafka's ApiKey) with this error.
  void fail_next(std::int16_t api_key, int error_code, int count = 1);

 private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace omnibus::kafka
