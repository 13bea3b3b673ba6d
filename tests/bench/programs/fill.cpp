#include "fill.hpp"

#include "bench_event.hpp"
#include "config/config.hpp"
#include "events/chat.hpp"
#include "events/conversation.hpp"
#include "events/llm.hpp"
#include "json/encode.hpp"
#include "kafka/admin.hpp"
#include "kafka/cloud_event.hpp"
#include "kafka/producer.hpp"
#include "key_sequence.hpp"
#include "sealing/sealer.hpp"

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>

#include <fmt/core.h>
#include <pqxx/pqxx>

namespace omnibus::bench {
namespace {

constexpr std::uint64_t progress_step = 10'000;
constexpr std::size_t some_texts = 64;  // that the events take turns with

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

std::string tenant_of(std::uint64_t key, std::uint64_t tenants) {
  auto const number = key % tenants;
  return number == 0 ? "shop.example" : fmt::format("shop-{}.example", number);
}

std::string message_of(std::string tenant, std::string session) {
  return json::encode(ChatMessageReceived{std::move(tenant), std::move(session),
                                          "When will the card that I ordered last week arrive?"});
}

std::string call_of(std::uint64_t key, std::string tenant, std::mt19937_64& random) {
  LlmCallCompleted call;
  call.call_id = random_uuid();
  call.domain = std::move(tenant);
  call.conversation_id = conversation_id_of(call.domain, name_of(key));
  call.worker = "chat";
  call.operation = "chat";
  call.provider = "openai";
  call.request_model = call.response_model = fmt::format("model-{}", random() % 5);
  call.input_tokens = static_cast<std::int64_t>(random() % 4000);
  call.output_tokens = static_cast<std::int64_t>(random() % 500);
  call.cost_usd = "0.000412000";
  call.duration_ms = static_cast<std::int64_t>(100 + random() % 3000);
  call.ttft_ms = call.duration_ms / 4;
  call.finish_reason = "stop";
  return json::encode(call);
}

std::string_view type_of(Kind kind) {
  if (kind == Kind::messages) return ChatMessageReceived::type;
  return kind == Kind::calls ? LlmCallCompleted::type : BenchEvent::type;
}

/// Seals events as the gateway does, with keys of the database and the master key of the environment.
class DatabaseSealer {
 public:
  explicit DatabaseSealer(Secret const& url)
      : connection_{url.reveal()}, sealer_{sealing::MasterKeys{config::load<sealing::MasterKeySettings>()}} {
    sealer_.require_keys(connection_);
  }
  void seal(Envelope& envelope, std::string& data, std::string_view record_key) {
    auto const plan = sealer_.plan(envelope.type, data, record_key, {});
    if (!plan) throw std::runtime_error("the tenant's log is clear: omnibus tenant privacy shop.example --log sealed");
    auto cipher = sealer_.at_hand(*plan);
    if (!cipher) cipher = sealer_.take(*plan, connection_);
    sealing::Sealer::seal(*plan, *cipher, envelope, data);
  }

 private:
  pqxx::connection connection_;
  sealing::Sealer sealer_;
};

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

Filled fill(FillSettings const& settings, std::function<void(std::uint64_t)> const& progress) {
  kafka::ClientSettings client;
  client.brokers = settings.brokers;
  client.client_id = "omnibus-bench-fill";
  // The embedded broker gives a fetch one batch per partition: large ones, or nothing but requests is measured.
  client.options = Secret{"batch.size=1000000;batch.num.messages=10000"};
  auto const abilities = kafka::probe_cluster(client, std::chrono::seconds{10});
  kafka::Admin const admin{client};
  auto const is_new = admin.cluster().find(settings.topic) == nullptr;
  if (is_new && abilities.create_topics) {
    try {
      admin.create_topic(settings.topic, settings.partitions, 1, {});
    } catch (kafka::Error const& error) {
      // Made a moment ago: not every broker tells of it yet.
      if (error.code() != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) throw;
    }
  }
  // The embedded broker makes a topic when the first record comes.
  auto const before = is_new ? 0 : held(admin, settings.topic);

  kafka::ProducerSettings producing;
  producing.linger = std::chrono::milliseconds{settings.rate == 0 ? 50 : 1};
  producing.compression = settings.compression;
  std::mutex mutex;
  std::optional<std::string> failure;
  auto const note = [&](kafka::Acknowledgement const& delivery) {
    if (delivery.error == nullptr) return;
    std::scoped_lock const lock{mutex};
    if (!failure) failure = delivery.error->what();
  };
  kafka::Producer producer{client, producing};
  KeySequence keys{settings};
  std::mt19937_64 random{settings.seed};
  std::vector<std::string> texts;
  texts.reserve(some_texts);
  for (std::size_t i = 0; i < some_texts; ++i) texts.push_back(make_text(settings.bytes, random));
  std::unique_ptr<DatabaseSealer> sealer;
  if (!settings.database_url.reveal().empty()) sealer = std::make_unique<DatabaseSealer>(settings.database_url);
  auto envelope = originate("/bench", type_of(settings.kind));
  auto const begun = std::chrono::steady_clock::now();
  for (std::uint64_t i = 0; i < settings.records; ++i) {
    if (settings.rate > 0)
      std::this_thread::sleep_until(begun + std::chrono::microseconds{i * 1'000'000 / settings.rate});
    auto const [dealt, number] = keys.next();
    auto const key = settings.first_key + dealt;
    auto const tenant = tenant_of(key, settings.tenants);
    auto const session = fmt::format("visitor-{}", key);
    auto data = settings.kind == Kind::messages ? message_of(tenant, session)
                : settings.kind == Kind::calls  ? call_of(key, tenant, random)
                                                : data_of(number, settings.bytes, texts[i % texts.size()]);
    auto const name = settings.kind == Kind::messages ? to_string(conversation_id_of(tenant, session)) : name_of(key);
    envelope.id = fmt::format("{}-{}", settings.seed, i);
    if (sealer) sealer->seal(envelope, data, name);
    auto const record = to_binary_record(envelope, data, settings.topic, name);
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
  return {now, keys.most_of_a_key()};
}

}  // namespace omnibus::bench
