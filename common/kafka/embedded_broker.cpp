#include "kafka/embedded_broker.hpp"

#include "kafka/client_settings.hpp"

#include <chrono>
#include <thread>
#include <vector>

#include <librdkafka/rdkafka_mock.h>

namespace omnibus::kafka {
namespace {

constexpr std::chrono::milliseconds wake_up_pause{2};

struct ClusterDeleter {
  void operator()(rd_kafka_mock_cluster_t* cluster) const noexcept { rd_kafka_mock_cluster_destroy(cluster); }
};

void check(rd_kafka_resp_err_t code, std::string const& what) {
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) throw Error(code, what);
}

}  // namespace

struct EmbeddedBroker::Implementation {
  Client host;  // the cluster runs inside a client
  std::unique_ptr<rd_kafka_mock_cluster_t, ClusterDeleter> cluster;
  std::string bootstrap;
  int brokers = 0;
};

std::string_view embedded_broker_limits() {
  return "Limits of the embedded broker (librdkafka's own, for demos and tests; use Apache Kafka for production):\n"
         "  - all data is in memory and lost when it stops\n"
         "  - a partition keeps its last 5 MiB (and at most 100,000 batches); older records are dropped silently,\n"
         "    read or not, and retention.ms is ignored\n"
         "  - topics come from topics.yaml at start; an unknown topic is created with 4 partitions at its first use;\n"
         "    no CreateTopics, so `omnibus topics apply` needs Apache Kafka; topic configs are not kept\n"
         "  - max.message.bytes is not enforced\n"
         "  - transactions are accepted but ignored: read_committed reads all records\n"
         "  - a fetch that finds nothing waits its whole fetch.wait.max.ms, even if a record arrives in that time,\n"
         "    and other fetches return a single batch per partition\n"
         "  - groups work in both protocols (classic, and KIP-848 with its range assignor); group listing and\n"
         "    description do not, so group tools show nothing\n"
         "  - it suits librdkafka's clients and kafkajs; kafka-python needs api_version=(2, 0), and Kafka's console\n"
         "    consumer reads nothing\n"
         "  - it listens on 127.0.0.1 only, on a random port, without TLS or authentication\n";
}

EmbeddedBroker::EmbeddedBroker(TopicCatalog const& catalog, EmbeddedBrokerSettings const& settings)
    : implementation_(std::make_unique<Implementation>()) {
  ClientSettings client;
  client.client_id = "embedded-broker";
  client.brokers = "127.0.0.1:1";  // it connects to no broker
  auto configuration = make_configuration(client);
  set_option(configuration.get(), "bootstrap.servers", "");
  set_option(configuration.get(), "log_level", "4");  // else it says that it has no servers to connect to
  implementation_->host = make_client(RD_KAFKA_PRODUCER, std::move(configuration));
  implementation_->cluster.reset(rd_kafka_mock_cluster_new(implementation_->host.get(), settings.brokers));
  auto* const cluster = implementation_->cluster.get();
  if (cluster == nullptr) throw Error(RD_KAFKA_RESP_ERR__FAIL, "the embedded broker cannot listen on 127.0.0.1");
  implementation_->bootstrap = rd_kafka_mock_cluster_bootstraps(cluster);
  implementation_->brokers = settings.brokers;
  rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 0);
  rd_kafka_mock_set_group_consumer_session_timeout_ms(cluster, static_cast<int>(settings.session_timeout.count()));
  rd_kafka_mock_set_group_consumer_heartbeat_interval_ms(cluster,
                                                         static_cast<int>(settings.heartbeat_interval.count()));
  for (auto const& topic : catalog.topics()) create_topic(topic.name, topic.partitions);
}

EmbeddedBroker::~EmbeddedBroker() = default;

std::string const& EmbeddedBroker::bootstrap() const {
  return implementation_->bootstrap;
}

void EmbeddedBroker::create_topic(std::string const& name, int partitions) {
  auto const replicas = implementation_->brokers < 3 ? implementation_->brokers : 3;
  auto const code = rd_kafka_mock_topic_create(implementation_->cluster.get(), name.c_str(), partitions, replicas);
  if (code != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) check(code, "topic " + name);
  // librdkafka's cluster empties its wake-up pipe only after it has answered: a call that follows at once loses its
  // wake-up, and is answered when the cluster's poll times out, a second later.
  std::this_thread::sleep_for(wake_up_pause);
}

void EmbeddedBroker::refuse_topic(std::string const& name, int error_code) {
  rd_kafka_mock_topic_set_error(implementation_->cluster.get(), name.c_str(),
                                static_cast<rd_kafka_resp_err_t>(error_code));
}

void EmbeddedBroker::set_down(int broker) {
  check(rd_kafka_mock_broker_set_down(implementation_->cluster.get(), broker), "broker");
}

void EmbeddedBroker::set_up(int broker) {
  check(rd_kafka_mock_broker_set_up(implementation_->cluster.get(), broker), "broker");
}

void EmbeddedBroker::elect_leader(std::string const& topic, std::int32_t partition, int broker) {
  check(rd_kafka_mock_partition_set_leader(implementation_->cluster.get(), topic.c_str(), partition, broker),
        "leader of " + topic);
}

void EmbeddedBroker::set_round_trip(std::chrono::milliseconds time) {
  for (int broker = 1; broker <= implementation_->brokers; ++broker)
    check(rd_kafka_mock_broker_set_rtt(implementation_->cluster.get(), broker, static_cast<int>(time.count())),
          "broker");
}

void EmbeddedBroker::fail_next(std::int16_t api_key, int error_code, int count) {
  std::vector<rd_kafka_resp_err_t> const errors(static_cast<std::size_t>(count),
                                                static_cast<rd_kafka_resp_err_t>(error_code));
  rd_kafka_mock_push_request_errors_array(implementation_->cluster.get(), api_key, errors.size(), errors.data());
}

}  // namespace omnibus::kafka
