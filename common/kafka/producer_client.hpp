/// A producer of librdkafka and the codecs it writes in. For the implementation of producer.hpp only.
#pragma once

#include "kafka/client_settings.hpp"
#include "kafka/handles.hpp"
#include "kafka/topics.hpp"

#include <deque>
#include <mutex>
#include <string>
#include <utility>

namespace omnibus::kafka {

/// A connection that writes each topic in the codec that the catalog gives it, and other topics in the connection's. So
/// a broker need not compress again what it stores in that codec. Any thread may use it.
class ProducerClient {
 public:
  ProducerClient(Client client, TopicCatalog const& catalog);

  rd_kafka_t* get() const { return client_.get(); }
  /// To be called before a record is passed on: opens a topic that has a codec of its own, once.
  /// @throws Error when librdkafka refuses the topic.
  void prepare(std::string const& topic);

 private:
  struct CodecTopic {
    CodecTopic(std::string topic, std::string in) : name(std::move(topic)), codec(std::move(in)) {}

    std::string const name;
    std::string const codec;
    std::once_flag opened;
    TopicHandle handle;
  };

  void open(CodecTopic& topic);

  Client client_;
  std::deque<CodecTopic> topics_;  // after the client: a topic's handle ends before its client
};

}  // namespace omnibus::kafka
