#include "kafka/client_settings.hpp"

#include "observability/log.hpp"

#include <array>
#include <atomic>
#include <charconv>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <syslog.h>

namespace omnibus::kafka {
namespace {

constexpr std::int16_t create_topics_api = 19;
constexpr std::int16_t consumer_group_heartbeat_api = 68;

void log_to_ours(rd_kafka_t const* client, int severity, char const* facility, char const* text) {
  auto const level = severity <= LOG_ERR       ? log::Level::error
                     : severity == LOG_WARNING ? log::Level::warn
                     : severity <= LOG_INFO    ? log::Level::info
                                               : log::Level::debug;
  log::write(level, "librdkafka",
             {{"client", client != nullptr ? rd_kafka_name(client) : ""}, {"facility", facility}, {"text", text}});
}

[[noreturn]] void refuse(std::string const& message) {
  throw Error(RD_KAFKA_RESP_ERR__INVALID_ARG, message, false, false);
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\n')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\n')) text.remove_suffix(1);
  return text;
}

using Option = std::pair<std::string, std::string>;

std::vector<Option> parse_options(std::string_view text) {
  std::vector<Option> options;
  std::string part;
  auto const finish = [&] {
    auto const trimmed = trim(part);
    if (!trimmed.empty()) {
      auto const equals = trimmed.find('=');
      if (equals == 0 || equals == std::string_view::npos)
        refuse(fmt::format("Kafka option number {} has no name=value form; options are name=value separated by ;",
                           options.size() + 1));
      options.emplace_back(trim(trimmed.substr(0, equals)), trim(trimmed.substr(equals + 1)));
    }
    part.clear();
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size() && text[i + 1] == ';') {
      part += text[++i];
    } else if (text[i] == ';') {
      finish();
    } else {
      part += text[i];
    }
  }
  finish();
  return options;
}

/// The log lines of a probing client.
struct Probe {
  std::atomic<bool> consumer_protocol = false;
  std::atomic<bool> create_topics = false;
};

/// The versions a broker offers are nowhere in librdkafka's API, only in its log of the `feature` facility:
/// "...  ApiKey ConsumerGroupHeartbeat (68) Versions 0..1".
void note_versions(rd_kafka_t const* client, int severity, char const* facility, char const* text) {
  std::string_view const line(text);
  auto const key_at = line.find("ApiKey ");
  auto const open = line.find('(', key_at == std::string_view::npos ? line.size() : key_at);
  auto const dots = line.find("..", open == std::string_view::npos ? line.size() : open);
  if (dots == std::string_view::npos) {
    if (severity < LOG_DEBUG) log_to_ours(client, severity, facility, text);
    return;
  }
  std::int16_t key = -1;
  std::int16_t highest = -1;
  std::from_chars(line.data() + open + 1, line.data() + line.size(), key);
  std::from_chars(line.data() + dots + 2, line.data() + line.size(), highest);
  auto* probe = static_cast<Probe*>(rd_kafka_opaque(client));
  // Version 0 was the early access of Kafka 3.7, which librdkafka does not speak.
  if (key == consumer_group_heartbeat_api && highest >= 1) probe->consumer_protocol = true;
  if (key == create_topics_api) probe->create_topics = true;
}

}  // namespace

void set_option(rd_kafka_conf_t* configuration, std::string const& name, std::string const& value) {
  std::array<char, 256> reason{};
  auto const result = rd_kafka_conf_set(configuration, name.c_str(), value.c_str(), reason.data(), reason.size());
  if (result == RD_KAFKA_CONF_OK) return;
  // librdkafka quotes the refused value, which may be a secret: name the option and leave the value out.
  refuse(result == RD_KAFKA_CONF_UNKNOWN ? fmt::format("Kafka option {} is not known to librdkafka", name)
                                         : fmt::format("Kafka option {} does not take the value given", name));
}

void set_default(rd_kafka_conf_t* configuration, ClientSettings const& settings, std::string const& name,
                 std::string const& value) {
  for (auto const& [set, _] : parse_options(settings.options.reveal()))
    if (set == name) return;
  set_option(configuration, name, value);
}

Configuration make_configuration(ClientSettings const& settings) {
  if (settings.brokers.empty()) refuse("no Kafka brokers given: set KAFKA_BROKERS to host:port[,host:port...]");
  Configuration configuration(rd_kafka_conf_new());
  auto* const raw = configuration.get();
  rd_kafka_conf_set_log_cb(raw, log_to_ours);
  set_option(raw, "bootstrap.servers", settings.brokers);
  set_option(raw, "client.id", settings.client_id);
  // The return of a broker is noticed within a second, not within ten.
  set_option(raw, "reconnect.backoff.ms", "50");
  set_option(raw, "reconnect.backoff.max.ms", "1000");
  set_option(raw, "log.connection.close", "false");
  set_option(raw, "enable.metrics.push", "false");
  set_option(raw, "socket.keepalive.enable", "true");
  for (auto const& [name, value] : parse_options(settings.options.reveal())) set_option(raw, name, value);
  return configuration;
}

Client make_client(rd_kafka_type_t type, Configuration configuration) {
  std::array<char, 512> reason{};
  auto* const client = rd_kafka_new(type, configuration.get(), reason.data(), reason.size());
  if (client == nullptr) throw Error(rd_kafka_last_error(), std::string(reason.data()), false, false);
  static_cast<void>(configuration.release());
  return Client(client);
}

std::string_view to_string(GroupProtocol protocol) {
  return protocol == GroupProtocol::consumer ? "consumer" : "classic";
}

bool is_embedded(rd_kafka_t* client, std::chrono::milliseconds timeout) {
  char* const cluster = rd_kafka_clusterid(client, static_cast<int>(timeout.count()));
  auto const embedded = cluster != nullptr && std::string_view(cluster).starts_with("mockCluster");
  if (cluster != nullptr) rd_kafka_mem_free(client, cluster);
  return embedded;
}

ClusterAbilities probe_cluster(ClientSettings const& settings, std::chrono::milliseconds timeout) {
  Probe probe;
  auto configuration = make_configuration(settings);
  set_option(configuration.get(), "debug", "feature");
  rd_kafka_conf_set_log_cb(configuration.get(), note_versions);
  rd_kafka_conf_set_opaque(configuration.get(), &probe);
  auto const client = make_client(RD_KAFKA_PRODUCER, std::move(configuration));

  auto const milliseconds = static_cast<int>(timeout.count());
  rd_kafka_metadata_t const* metadata = nullptr;
  auto const failure = rd_kafka_metadata(client.get(), 0, nullptr, &metadata, milliseconds);
  if (failure != RD_KAFKA_RESP_ERR_NO_ERROR)
    throw Error(failure, fmt::format("no broker of {} answers (KAFKA_BROKERS)", settings.brokers));
  rd_kafka_metadata_destroy(metadata);

  return {probe.consumer_protocol, probe.create_topics, is_embedded(client.get(), timeout)};
}

}  // namespace omnibus::kafka
