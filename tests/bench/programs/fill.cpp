#include "fill.hpp"

#include "bench_event.hpp"
#include "json/encode.hpp"
#include "kafka/admin.hpp"
#include "kafka/cloud_event.hpp"
#include "kafka/producer.hpp"
#include "key_sequence.hpp"

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>

#include <fmt/core.h>

namespace omnibus::bench {
namespace {

constexpr std::uint64_t progress_step = 10'000;

/// As long as the ids that conversations have, and as random to look at.
std::string name_of(std::uint64_t key) {
  auto mixed = (key + 1) * 0x9E3779B97F4A7C15ULL;
  mixed = (mixed ^ (mixed >> 31)) * 0xBF58476D1CE4E5B9ULL;
  return fmt::format("{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}", mixed >> 32, (mixed >> 16) & 0xffff, mixed & 0xfff,
                     (mixed >> 12) & 0xfff, key);
}

/// Words, so that a compressed topic compresses as text does.
std::string make_text(std::size_t size, std::mt19937_64& random) {
  constexpr std::string_view words[] = {"card",     "order",   "when",   "transfer", "pending", "account",
                                        "delivery", "the",     "arrive", "payment",  "Kigali",  "please",
                                        "refund",   "address", "change", "my"};
  std::string text;
  while (text.size() < size) {
    text += words[random() % std::size(words)];
    text += ' ';
  }
  text.resize(size);
  return text;
}

std::string data_of(std::uint32_t number, std::size_t size, std::string_view text) {
  BenchEvent event{number, std::string{}};
  auto const rest = json::encode(event).size();
  event.text->assign(text.substr(0, size > rest ? size - rest : 0));
  return json::encode(event);
}

/// How many records a topic holds; waits for one that was only just made to have its leaders.
std::int64_t held(kafka::Admin const& admin, std::string const& topic) {
  for (auto const deadline = std::chrono::steady_clock::now() + std::chrono::seconds{15};;) {
    try {
      std::int64_t sum = 0;
      for (auto const& each : admin.watermarks(topic)) sum += each.high - each.low;
      return sum;
    } catch (kafka::Error const& error) {
      if (!error.retriable() || std::chrono::steady_clock::now() > deadline) throw;
      std::this_thread::sleep_for(std::chrono::milliseconds{50});
    }
  }
}

}  // namespace

void fill(FillSettings const& settings, std::function<void(std::uint64_t)> const& progress) {
  kafka::ClientSettings client;
  client.brokers = settings.brokers;
  client.client_id = "omnibus-bench-fill";
  // The embedded broker gives a fetch one batch per partition: large ones, or nothing but requests is measured.
  client.options = Secret{"batch.size=1000000;batch.num.messages=10000"};
  auto const abilities = kafka::probe_cluster(client, std::chrono::seconds{10});
  kafka::Admin const admin{client};
  if (abilities.create_topics && admin.cluster().find(settings.topic) == nullptr)
    admin.create_topic(settings.topic, settings.partitions, 1, {});
  auto const before = held(admin, settings.topic);

  kafka::ProducerSettings producing;
  producing.linger = std::chrono::milliseconds{50};
  producing.compression = settings.compression;
  std::mutex mutex;
  std::optional<std::string> failure;
  auto const note = [&](kafka::Delivery const& delivery) {
    if (delivery.error == nullptr) return;
    std::scoped_lock const lock{mutex};
    if (!failure) failure = delivery.error->what();
  };
  kafka::Producer producer{client, producing};
  KeySequence keys{settings};
  std::mt19937_64 random{settings.seed};
  std::vector<std::string> texts;
  for (auto i = 0; i < 64; ++i) texts.push_back(make_text(settings.bytes, random));
  auto envelope = originate("/bench", BenchEvent::type);
  for (std::uint64_t i = 0; i < settings.records; ++i) {
    auto const [key, number] = keys.next();
    envelope.id = fmt::format("{}-{}", settings.seed, i);
    auto const record = to_binary_record(envelope, data_of(number, settings.bytes, texts[i % texts.size()]),
                                         settings.topic, name_of(key));
    for (;;) {
      try {
        producer.produce(record, note);
        break;
      } catch (kafka::Error const& error) {
        if (error.code() != RD_KAFKA_RESP_ERR__QUEUE_FULL) throw;
        while (producer.in_flight() > 50'000) std::this_thread::sleep_for(std::chrono::milliseconds{1});
      }
    }
    if (progress && (i + 1) % progress_step == 0) progress(i + 1);
  }
  while (!producer.flush(std::chrono::seconds{60})) {
    if (progress) progress(settings.records - producer.in_flight());
  }
  if (failure) throw std::runtime_error("an event could not be published: " + *failure);
  auto const now = held(admin, settings.topic);
  if (now - before < static_cast<std::int64_t>(settings.records))
    throw std::runtime_error(
        fmt::format("the topic holds {} of {} events: the embedded broker keeps 5 MiB of a partition, so take fewer "
                    "--records or more partitions",
                    now - before, settings.records));
}

}  // namespace omnibus::bench
