#include "kafka/producer.hpp"

#include "concurrency/outgoing.hpp"
#include "kafka/producer_client.hpp"
#include "observability/log.hpp"

#include <array>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <thread>
#include <utility>

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

namespace omnibus::kafka {
namespace {

constexpr int poll_ms = 100;

struct HeadersDeleter {
  void operator()(rd_kafka_headers_t* headers) const noexcept { rd_kafka_headers_destroy(headers); }
};
using Headers = std::unique_ptr<rd_kafka_headers_t, HeadersDeleter>;

Headers to_headers(std::vector<Header> const& headers) {
  if (headers.empty()) return nullptr;
  Headers made(rd_kafka_headers_new(headers.size()));
  for (auto const& [name, value] : headers) {
    auto const failure =
        rd_kafka_header_add(made.get(), name.data(), static_cast<ssize_t>(name.size()), value ? value->data() : nullptr,
                            value ? static_cast<ssize_t>(value->size()) : 0);
    if (failure != RD_KAFKA_RESP_ERR_NO_ERROR) throw Error(failure, fmt::format("record header {}", name));
  }
  return made;
}

}  // namespace

class Producer::Implementation {
 public:
  Implementation(ClientSettings settings, ProducerSettings producer_settings, TopicCatalog const& catalog)
      : settings_(std::move(settings)),
        producer_settings_(std::move(producer_settings)),
        catalog_(catalog),
        client_(connect()) {
    poller_ = std::thread([this] { poll(); });
  }

  ~Implementation() {
    flush(std::chrono::seconds(1));
    stopping_ = true;
    poller_.join();
  }
  Implementation(Implementation const&) = delete;
  Implementation& operator=(Implementation const&) = delete;

  std::uint64_t generation() const { return generation_; }

  void produce(Record const& record, Callback callback, std::optional<std::uint64_t> generation) {
    require_outgoing("a record to Kafka");
    auto headers = to_headers(record.headers);
    auto pending = callback ? std::make_unique<Callback>(std::move(callback)) : nullptr;

    std::array<rd_kafka_vu_t, 7> fields{};
    std::size_t count = 0;
    auto const next = [&](rd_kafka_vtype_t type) -> auto& {
      fields[count].vtype = type;
      return fields[count++].u;
    };
    next(RD_KAFKA_VTYPE_TOPIC).cstr = record.topic.c_str();
    next(RD_KAFKA_VTYPE_MSGFLAGS).i = RD_KAFKA_MSG_F_COPY;
    next(RD_KAFKA_VTYPE_OPAQUE).ptr = pending.get();
    // librdkafka only reads both, as RD_KAFKA_MSG_F_COPY says; its interface has no const.
    if (record.key) next(RD_KAFKA_VTYPE_KEY).mem = {const_cast<char*>(record.key->data()), record.key->size()};
    if (record.value) next(RD_KAFKA_VTYPE_VALUE).mem = {const_cast<char*>(record.value->data()), record.value->size()};
    if (record.partition) next(RD_KAFKA_VTYPE_PARTITION).i32 = *record.partition;
    if (headers) next(RD_KAFKA_VTYPE_HEADERS).headers = headers.get();

    rd_kafka_error_t* failure = nullptr;
    auto over = false;
    {
      std::shared_lock const lock(client_mutex_);
      client_->prepare(record.topic);
      in_flight_.fetch_add(1, std::memory_order_relaxed);  // before the poll thread can count it down
      over = generation && *generation != generation_;
      if (!over) failure = rd_kafka_produceva(client_->get(), fields.data(), count);
    }
    if (failure == nullptr && !over) {
      static_cast<void>(pending.release());  // owned by the delivery report now
      static_cast<void>(headers.release());  // owned by librdkafka now
      return;
    }
    finish_one();
    if (over)
      throw Error(RD_KAFKA_RESP_ERR__RETRY,
                  fmt::format("record to {} must wait for earlier ones that failed", record.topic));
    // After a fatal error, a client rejects every record with that error's code, as if it were the record's own.
    auto const code = rd_kafka_error_is_fatal(failure) != 0 ? RD_KAFKA_RESP_ERR__FATAL : rd_kafka_error_code(failure);
    rd_kafka_error_destroy(failure);
    throw Error(code, fmt::format("record to {} not accepted", record.topic));
  }

  bool flush(std::chrono::milliseconds timeout) {
    std::unique_lock lock(drained_mutex_);
    ++waiting_;
    auto const drained = drained_.wait_for(lock, timeout, [this] { return in_flight_ == 0; });
    --waiting_;
    return drained;
  }

  std::size_t in_flight() const { return in_flight_; }

 private:
  std::unique_ptr<ProducerClient> connect() {
    auto configuration = make_configuration(settings_);
    auto* const raw = configuration.get();
    auto const set = [&](char const* name, auto const& value) {
      set_default(raw, settings_, name, fmt::format("{}", value));
    };
    // Operators must not change these: the guarantees depend on them.
    set_option(raw, "enable.idempotence", "true");
    set_option(raw, "acks", "all");
    set_option(raw, "partitioner", "murmur2_random");
    set("linger.ms", producer_settings_.linger.count());
    set("message.timeout.ms", producer_settings_.message_timeout.count());
    set("message.max.bytes", producer_settings_.max_message.bytes);
    set("queue.buffering.max.messages", producer_settings_.queued_records);
    set("queue.buffering.max.kbytes", producer_settings_.queued_bytes.bytes >> 10);
    set("compression.codec", producer_settings_.compression);
    rd_kafka_conf_set_opaque(raw, this);
    rd_kafka_conf_set_dr_msg_cb(raw, [](rd_kafka_t*, rd_kafka_message_t const* message, void* self) {
      static_cast<Implementation*>(self)->delivered(*message);
    });
    rd_kafka_conf_set_error_cb(raw, [](rd_kafka_t*, int code, char const* reason, void* self) {
      if (code == RD_KAFKA_RESP_ERR__FATAL) static_cast<Implementation*>(self)->fatal_ = true;
      log::warn("kafka producer",
                {{"error", rd_kafka_err2name(static_cast<rd_kafka_resp_err_t>(code))}, {"reason", reason}});
    });
    return std::make_unique<ProducerClient>(make_client(RD_KAFKA_PRODUCER, std::move(configuration)), catalog_);
  }

  void delivered(rd_kafka_message_t const& message) {
    std::unique_ptr<Callback> const callback(static_cast<Callback*>(message._private));
    if (callback) {
      Acknowledgement delivery{nullptr, message.partition, message.offset};
      if (message.err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        (*callback)(delivery);
      } else {
        Error const error(message.err, fmt::format("record to {} not delivered", rd_kafka_topic_name(message.rkt)));
        delivery.error = &error;
        (*callback)(delivery);
      }
    }
    finish_one();
  }

  void finish_one() {
    if (in_flight_.fetch_sub(1) != 1) return;
    std::lock_guard const lock(drained_mutex_);
    if (waiting_ > 0) drained_.notify_all();
  }

  void poll() {
    // Only this thread replaces the client, so it may use it without the lock.
    while (!stopping_) {
      rd_kafka_poll(client_->get(), poll_ms);
      if (fatal_) renew();
    }
    drain(*client_->get());
  }

  /// An idempotent producer rejects every record after a fatal error.
  void renew() {
    // First all records of the old client fail, while it rejects all others: so a record that its owner then publishes
    // again is not overtaken by a later one. A thread from before the rejection may still be passing on a record: with
    // this lock it has finished, and the record fails with the others instead of vanishing with the old client.
    std::unique_lock(client_mutex_).unlock();
    drain(*client_->get());
    std::unique_ptr<ProducerClient> old;
    try {
      auto fresh = connect();
      fatal_ = false;  // before the new one can say so
      std::unique_lock const lock(client_mutex_);
      old = std::exchange(client_, std::move(fresh));
      ++generation_;
    } catch (Error const& error) {
      log::error("kafka producer not renewed, will try again", {{"reason", error.what()}});
      return;
    }
    log::warn("kafka producer renewed after a fatal error");
  }

  /// Fails everything that `client` still holds.
  static void drain(rd_kafka_t& client) {
    rd_kafka_purge(&client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    auto const deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (rd_kafka_outq_len(&client) > 0 && std::chrono::steady_clock::now() < deadline) rd_kafka_poll(&client, 10);
  }

  ClientSettings const settings_;
  ProducerSettings const producer_settings_;
  TopicCatalog const& catalog_;
  std::atomic<bool> stopping_ = false;
  std::atomic<bool> fatal_ = false;
  std::atomic<std::uint64_t> generation_ = 0;
  std::atomic<std::size_t> in_flight_ = 0;
  std::mutex drained_mutex_;
  std::condition_variable drained_;
  int waiting_ = 0;
  std::shared_mutex client_mutex_;  ///< exclusive only while the client is replaced
  std::unique_ptr<ProducerClient> client_;
  std::thread poller_;
};

Producer::Producer(ClientSettings const& settings, ProducerSettings const& producer_settings,
                   TopicCatalog const& catalog)
    : implementation_(std::make_unique<Implementation>(settings, producer_settings, catalog)) {}

Producer::~Producer() = default;

void Producer::produce(Record const& record, Callback callback) {
  implementation_->produce(record, std::move(callback), std::nullopt);
}

std::uint64_t Producer::generation() const {
  return implementation_->generation();
}

void Producer::produce(Record const& record, Callback callback, std::uint64_t generation) {
  implementation_->produce(record, std::move(callback), generation);
}

Task<> Producer::send(Record record) {
  auto sending = send_all({&record, 1});
  co_await std::move(sending);
}

Task<> Producer::send_all(std::span<Record const> records) {
  if (records.empty()) co_return;
  auto const initiate = [this, records](auto handler) {
    using Handler = decltype(handler);
    struct Waiting {
      Handler handler;
      boost::asio::executor_work_guard<boost::asio::associated_executor_t<Handler>> work;
      std::mutex mutex;
      std::size_t left;
      std::exception_ptr failure;
    };
    auto executor = boost::asio::get_associated_executor(handler);
    std::shared_ptr<Waiting> const waiting(
        new Waiting{std::move(handler), boost::asio::make_work_guard(executor), {}, records.size(), {}});
    auto const end_one = [waiting](std::exception_ptr failure) {
      std::unique_lock lock(waiting->mutex);
      if (failure && !waiting->failure) waiting->failure = std::move(failure);
      if (--waiting->left > 0) return;
      lock.unlock();
      boost::asio::post(waiting->work.get_executor(), [waiting] {
        waiting->work.reset();
        std::move(waiting->handler)(std::move(waiting->failure));
      });
    };
    std::exception_ptr refused;  // when one record fails, those behind it fail too, so that none overtakes it
    for (auto const& record : records) {
      if (!refused) {
        try {
          produce(record, [end_one](Acknowledgement const& delivery) {
            end_one(delivery.error != nullptr ? std::make_exception_ptr(*delivery.error) : nullptr);
          });
          continue;
        } catch (...) {
          refused = std::current_exception();
        }
      }
      end_one(refused);
    }
  };
  auto operation = boost::asio::async_initiate<boost::asio::use_awaitable_t<> const, void(std::exception_ptr)>(
      initiate, boost::asio::use_awaitable);
  co_await std::move(operation);
}

bool Producer::flush(std::chrono::milliseconds timeout) {
  return implementation_->flush(timeout);
}

std::size_t Producer::in_flight() const {
  return implementation_->in_flight();
}

}  // namespace omnibus::kafka
