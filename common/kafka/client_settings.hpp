/// Connection and log settings of every Kafka client.
#pragma once

#include "config/config.hpp"
#include "config/types.hpp"
#include "kafka/error.hpp"

#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include <boost/describe/class.hpp>
#include <librdkafka/rdkafka.h>

namespace omnibus::kafka {

/// The cluster's address and our credentials. `options` are librdkafka's own settings, `name=value` separated by `;`
/// (a `;` inside a value is written `\;`): security.protocol, sasl.*, ssl.* and whatever else an installation needs.
/// They override our defaults.
struct ClientSettings {
  std::string brokers = "127.0.0.1:9092";
  std::string client_id = "omnibus";
  Secret options;

  static constexpr std::string_view prefix = "KAFKA_";
  static constexpr std::array docs{
      config::Doc{"brokers", "Kafka's bootstrap addresses, host:port separated by commas"},
      config::Doc{"client_id", "Name of this client in the brokers' logs and metrics"},
      config::Doc{"options",
                  "More options of librdkafka, name=value separated by ; such as security.protocol=SASL_SSL"},
  };
};
BOOST_DESCRIBE_STRUCT(ClientSettings, (), (brokers, client_id, options))

struct ConfigurationDeleter {
  void operator()(rd_kafka_conf_t* configuration) const noexcept { rd_kafka_conf_destroy(configuration); }
};
/// A client's configuration until rd_kafka_new takes it over.
using Configuration = std::unique_ptr<rd_kafka_conf_t, ConfigurationDeleter>;

struct ClientDeleter {
  void operator()(rd_kafka_t* client) const noexcept { rd_kafka_destroy(client); }
};
/// A librdkafka client. Destroying it waits for its threads.
using Client = std::unique_ptr<rd_kafka_t, ClientDeleter>;

/// Our defaults, then `settings.options`; librdkafka's log goes to our log.
/// @throws Error that names the option that librdkafka rejected.
Configuration make_configuration(ClientSettings const& settings);

/// @throws Error that names the option when librdkafka does not know it or rejects the value.
void set_option(rd_kafka_conf_t* configuration, std::string const& name, std::string const& value);

/// Sets `name` unless `settings.options` has it: the operator's value wins.
/// @throws Error as set_option does.
void set_default(rd_kafka_conf_t* configuration, ClientSettings const& settings, std::string const& name,
                 std::string const& value);

/// Creates the client; takes the configuration over only on success.
/// @throws Error with librdkafka's reason.
Client make_client(rd_kafka_type_t type, Configuration configuration);

/// How consumers of one group share partitions: by the broker's protocol (KIP-848) or the older client-side one.
enum class GroupProtocol { classic, consumer };
std::string_view to_string(GroupProtocol protocol);

/// The features that the cluster reports.
struct ClusterAbilities {
  bool consumer_protocol = false;  ///< KIP-848: `group.protocol=consumer` works
  bool create_topics = false;
  bool embedded = false;  ///< librdkafka's built-in broker: memory only, its limits are in embedded_broker.hpp

  GroupProtocol group_protocol() const { return consumer_protocol ? GroupProtocol::consumer : GroupProtocol::classic; }
};

/// Whether the client is connected to librdkafka's built-in broker. Blocks up to `timeout` for the first answer.
bool is_embedded(rd_kafka_t* client, std::chrono::milliseconds timeout);

/// Asks the cluster for its features, with the security that `settings` name. Blocks up to `timeout`.
/// @throws Error (retriable) when no broker answers in time.
ClusterAbilities probe_cluster(ClientSettings const& settings, std::chrono::milliseconds timeout);

}  // namespace omnibus::kafka
