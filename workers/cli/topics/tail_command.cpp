#include "json/decode.hpp"
#include "json/encode.hpp"
#include "json/raw.hpp"
#include "kafka/client_settings.hpp"
#include "kafka/cloud_event.hpp"
#include "kafka/error.hpp"
#include "kafka/handles.hpp"
#include "kafka/message_view.hpp"
#include "observability/log.hpp"
#include "workers/cli/commands.hpp"
#include "workers/cli/database/database.hpp"
#include "workers/cli/gdpr/audited_opener.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>
#include <boost/describe/class.hpp>
#include <fmt/core.h>

namespace omnibus::cli {
namespace {

constexpr int answer_timeout_ms = 10'000;
constexpr int wait_ms = 1'000;

struct TailOptions {
  std::string topic;
  kafka::ClientSettings client;
  std::string client_options;
  bool from_beginning = false;
  bool open = false;
  std::string database;
};

/// One line of output.
struct TailedEvent {
  std::int32_t partition = 0;
  std::int64_t offset = 0;
  std::optional<std::string> key;
  std::string type;
  std::string source;
  std::string id;
  std::string time;
  std::optional<json::Raw> data;
  std::optional<std::string> unreadable;  ///< the error in a record that is not an event of ours
};
BOOST_DESCRIBE_STRUCT(TailedEvent, (), (partition, offset, key, type, source, id, time, data, unreadable))

/// What the audit says of this command.
struct TailedTopic {
  std::string topic;
};
BOOST_DESCRIBE_STRUCT(TailedTopic, (), (topic))

struct AnyObject {};
BOOST_DESCRIBE_STRUCT(AnyObject, (), ())

/// Opens the event where that is asked for and possible; otherwise it stays sealed, and the reason is printed.
void open_event(AuditedOpener* opener, CloudEvent& event, TailedEvent& out) {
  if (opener == nullptr) return;
  try {
    event.data = opener->open(view_of(event.envelope), event.data);
  } catch (sealing::KeyDestroyed const& error) {
    out.unreadable = error.what();
  } catch (sealing::KeyUnavailable const& error) {
    out.unreadable = error.what();
  } catch (sealing::SealBroken const& error) {
    out.unreadable = error.what();
  }
}

void read_event(RecordView const& record, AuditedOpener* opener, TailedEvent& out) {
  auto event = parse_cloud_event(record);
  if (!event) {
    out.unreadable = event.error().message();
    return;
  }
  out.type = event->envelope.type;
  out.source = event->envelope.source;
  out.id = event->envelope.id;
  out.time = event->envelope.time;
  if (event->data.empty()) return;
  open_event(opener, *event, out);
  auto const object = json::decode<AnyObject>(event->data);
  if (!object) {
    out.unreadable = object.error().message();
    return;
  }
  // Valid JSON has line ends only between its tokens: one event stays one line.
  std::replace_if(
      event->data.begin(), event->data.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
  out.data = json::Raw{std::move(event->data)};
}

void print(rd_kafka_message_t const& message, AuditedOpener* opener) {
  kafka::MessageView const view{message};
  auto const record = view.record();
  TailedEvent event;
  event.partition = message.partition;
  event.offset = message.offset;
  if (record.key) event.key = std::string(*record.key);
  read_event(record, opener, event);
  fmt::print("{}\n", json::encode(event));
  std::fflush(stdout);
}

std::int32_t partition_count(rd_kafka_t* client, rd_kafka_topic_t* topic, std::string const& name) {
  using Metadata = struct rd_kafka_metadata;  // librdkafka has a function of that name, too
  Metadata const* metadata = nullptr;
  auto const error = rd_kafka_metadata(client, 0, topic, &metadata, answer_timeout_ms);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) throw kafka::Error(error, name);
  std::unique_ptr<Metadata const, decltype(&rd_kafka_metadata_destroy)> const owned(metadata,
                                                                                    &rd_kafka_metadata_destroy);
  auto const count = metadata->topic_cnt == 1 ? metadata->topics[0].partition_cnt : 0;
  if (count == 0) throw kafka::Error(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, name);
  return count;
}

/// Its oldest offset, or the one of the next record.
std::int64_t begin_of(rd_kafka_t* client, std::string const& name, std::int32_t partition, bool oldest) {
  std::int64_t low = 0;
  std::int64_t high = 0;
  auto const error = rd_kafka_query_watermark_offsets(client, name.c_str(), partition, &low, &high, answer_timeout_ms);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) throw kafka::Error(error, name);
  return oldest ? low : high;
}

kafka::Client connect(TailOptions const& options) {
  auto settings = options.client;
  settings.client_id = "omnibus-tail";
  settings.options = Secret(options.client_options);
  auto configuration = kafka::make_configuration(settings);
  kafka::set_default(configuration.get(), settings, "isolation.level", "read_committed");
  kafka::set_default(configuration.get(), settings, "fetch.queue.backoff.ms", "10");
  kafka::set_default(configuration.get(), settings, "fetch.wait.max.ms", "100");
  return kafka::make_client(RD_KAFKA_CONSUMER, std::move(configuration));
}

[[noreturn]] void follow(TailOptions const& options) {
  std::optional<AuditedOpener> opener;
  if (options.open) opener.emplace(options.database, json::encode(TailedTopic{options.topic}));
  auto const client = connect(options);
  auto const& name = options.topic;
  kafka::TopicHandle const topic{rd_kafka_topic_new(client.get(), name.c_str(), nullptr)};
  if (!topic) throw kafka::Error(rd_kafka_last_error(), name);
  kafka::QueueHandle const queue{rd_kafka_queue_new(client.get())};
  auto const partitions = partition_count(client.get(), topic.get(), name);
  // All requested before the first fetch: on one connection, a fetch delays everything behind it.
  std::vector<std::int64_t> begins;
  begins.reserve(static_cast<std::size_t>(partitions));
  for (std::int32_t partition = 0; partition < partitions; ++partition)
    begins.push_back(begin_of(client.get(), name, partition, options.from_beginning));
  for (std::int32_t partition = 0; partition < partitions; ++partition) {
    auto const from = begins[static_cast<std::size_t>(partition)];
    if (rd_kafka_consume_start_queue(topic.get(), partition, from, queue.get()) != 0)
      throw kafka::Error(rd_kafka_last_error(), name);
  }
  fmt::print(stderr, "following {}, {} partitions\n", name, partitions);
  for (;;) {
    auto* const message = rd_kafka_consume_queue(queue.get(), wait_ms);
    rd_kafka_poll(client.get(), 0);
    if (message == nullptr) continue;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) print(*message, opener ? &*opener : nullptr);
    rd_kafka_message_destroy(message);
  }
}

}  // namespace

void add_tail_command(CLI::App& application, int&) {
  auto* command = application.add_subcommand(
      "tail", "Print the events of a topic as they arrive, one line of JSON each, until interrupted");
  auto const options = std::make_shared<TailOptions>();
  command->add_option("topic", options->topic, "The topic, such as chat.replies")->required();
  command->add_flag("--from-beginning", options->from_beginning,
                    "Begin with the oldest event in the topic, not with new ones");
  command->add_flag(
      "--open", options->open,
      "Open sealed fields. Needs PII_MASTER_KEY and the database role omnibus_operator; each use is audited");
  add_operator_database_option(*command, options->database);
  command->add_option("--brokers", options->client.brokers, "Bootstrap addresses")
      ->envname("KAFKA_BROKERS")
      ->capture_default_str();
  command
      ->add_option("--kafka-options", options->client_options, "More options of librdkafka, name=value separated by ;")
      ->envname("KAFKA_OPTIONS");
  command->callback([options] {
    log::configure("omnibus", log::Level::off);  // errors are printed once, on stderr
    follow(*options);
  });
}

}  // namespace omnibus::cli
