#include "drain.hpp"

#include "bench_event.hpp"
#include "call_sums.hpp"
#include "engine/dispatch/record_headers.hpp"
#include "json/decode.hpp"
#include "kafka/client_settings.hpp"
#include "kafka/cloud_event.hpp"
#include "kafka/consumer.hpp"
#include "postgres/pool.hpp"

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <stdexcept>
#include <vector>

#include <librdkafka/rdkafka.h>
#include <pqxx/pqxx>
#include <simdjson.h>

namespace omnibus::bench {
namespace {

constexpr std::size_t batch_size = 10'000;
constexpr int wait_ms = 2;            // librdkafka waits for a whole batch: a longer one would delay what is there
constexpr int most_fetched_mib = 50;  // what a broker lets a response bring
constexpr std::chrono::seconds patience{30};
constexpr std::chrono::milliseconds upsert_interval{500};  // as a worker commits its offsets

struct QueueDeleter {
  void operator()(rd_kafka_queue_t* queue) const noexcept { rd_kafka_queue_destroy(queue); }
};

kafka::Client subscribe(DrainSettings const& settings) {
  kafka::ClientSettings client;
  client.brokers = settings.brokers;
  client.client_id = "omnibus-bench-drain";
  auto const protocol = kafka::probe_cluster(client, std::chrono::seconds{10}).group_protocol();
  auto configuration = kafka::make_configuration(client);
  auto const set = [&](char const* name, std::string const& value) {
    kafka::set_option(configuration.get(), name, value);
  };
  set("group.id", settings.group);
  set("group.protocol", std::string{kafka::to_string(protocol)});
  set("enable.auto.commit", "false");
  set("auto.offset.reset", "earliest");
  // Nothing here is to wait for the fetcher.
  set("queued.min.messages", "1000000");
  set("queued.max.messages.kbytes", std::to_string(settings.prefetch_mib * 1024));
  if (settings.prefetch_mib < any_prefetch_mib)
    set("fetch.max.bytes", std::to_string(std::min(2 * settings.prefetch_mib, most_fetched_mib) << 20));
  set("fetch.message.max.bytes", "8388608");
  set("fetch.queue.backoff.ms", "1");
  set("fetch.wait.max.ms", "100");
  auto consumer = kafka::make_client(RD_KAFKA_CONSUMER, std::move(configuration));
  rd_kafka_poll_set_consumer(consumer.get());
  auto* const topics = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(topics, settings.topic.c_str(), RD_KAFKA_PARTITION_UA);
  auto const error = rd_kafka_subscribe(consumer.get(), topics);
  rd_kafka_topic_partition_list_destroy(topics);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) throw kafka::Error{error, "subscribe"};
  return consumer;
}

/// Does what the limit is asked to do with a record; adds up what it read, so that nothing is left out as unused.
class Reader {
 public:
  explicit Reader(DrainWork work) : work_{work} {}

  void read(rd_kafka_message_t const& message) {
    std::string_view const value{static_cast<char const*>(message.payload), message.len};
    if (work_ == DrainWork::parse) parse(value);
    if (work_ == DrainWork::hash || work_ == DrainWork::rollups) add_up(message, value);
    if (work_ == DrainWork::event) decode(message, value);
  }
  std::uint64_t sum() const { return sum_ + sums_.calls(); }
  CallSums& sums() { return sums_; }

 private:
  simdjson::ondemand::document iterate(std::string_view value) {
    if (padded_.size() < value.size() + simdjson::SIMDJSON_PADDING)
      padded_.resize(value.size() + simdjson::SIMDJSON_PADDING);
    std::memcpy(padded_.data(), value.data(), value.size());
    return parser_.iterate(padded_.data(), value.size(), padded_.size()).value();
  }
  void parse(std::string_view value) {
    auto document = iterate(value);
    sum_ += document["seq"].get_uint64().value();
    sum_ += document["text"].get_string().value().size();
  }
  void add_up(rd_kafka_message_t const& message, std::string_view value) {
    auto document = iterate(value);
    sums_.add(document, kafka::timestamp_ms(message));
  }
  void decode(rd_kafka_message_t const& message, std::string_view value) {
    headers_.clear();
    engine::for_each_header(message, [&](std::string_view name, std::optional<std::string_view> text) {
      headers_.push_back({name, text});
    });
    RecordView const record{std::string_view{static_cast<char const*>(message.key), message.key_len}, value, headers_};
    auto const envelope = parse_envelope(record);
    auto const event = json::decode<BenchEvent>(value);
    if (!envelope || !event) throw std::runtime_error("the topic holds something else than the filler's events");
    sum_ += envelope->id.size() + static_cast<std::uint64_t>(event->seq);
  }

  DrainWork const work_;
  CallSums sums_;
  simdjson::ondemand::parser parser_;
  std::vector<char> padded_;
  std::vector<HeaderView> headers_;
  std::uint64_t sum_ = 0;
};

}  // namespace

Span drain(DrainSettings const& settings) {
  auto const consumer = subscribe(settings);
  std::unique_ptr<rd_kafka_queue_t, QueueDeleter> const queue{rd_kafka_queue_get_consumer(consumer.get())};
  std::vector<rd_kafka_message_t*> batch(batch_size);
  Reader reader{settings.work};
  std::unique_ptr<pqxx::connection> database;
  if (settings.work == DrainWork::rollups) {
    postgres::PoolSettings connecting;
    connecting.url = settings.database_url.reveal();
    database = postgres::connect(connecting);
  }
  Span span{settings.records};
  auto last = std::chrono::steady_clock::now();
  auto upserted = last;
  while (!span.done()) {
    auto const got = rd_kafka_consume_batch_queue(queue.get(), wait_ms, batch.data(), batch.size());
    auto const now = std::chrono::steady_clock::now();
    if (got <= 0 && now - last > patience)
      throw std::runtime_error("no record came any more: does the topic hold as many that the group has not seen?");
    if (got <= 0) continue;
    last = now;
    span.begin();
    std::uint64_t records = 0;
    for (auto* const message : std::span{batch.data(), static_cast<std::size_t>(got)}) {
      if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        reader.read(*message);
        ++records;
      }
      rd_kafka_message_destroy(message);
    }
    if (database && (now - upserted >= upsert_interval || span.counted() + records >= settings.records)) {
      reader.sums().upsert(*database);
      upserted = now;
    }
    span.count(records);
  }
  if (settings.work != DrainWork::none && reader.sum() == 0) throw std::runtime_error("nothing was read");
  auto const error = rd_kafka_commit(consumer.get(), nullptr, 0);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) throw kafka::Error{error, "commit"};
  rd_kafka_consumer_close(consumer.get());
  return span;
}

}  // namespace omnibus::bench
