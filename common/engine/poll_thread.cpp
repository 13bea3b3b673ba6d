#include "engine/poll_thread.hpp"

#include "engine/dispatch/delivery.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <span>
#include <utility>

#include <boost/asio/post.hpp>

namespace omnibus::engine {
namespace {

constexpr std::size_t batch_size = 4096;
constexpr std::size_t most_undelivered = 2 * batch_size;  // messages that the event loop has not processed yet
constexpr std::chrono::milliseconds longest_wait{200};

}  // namespace

PollThread::PollThread(boost::asio::io_context& loop, kafka::ClientSettings client, kafka::ConsumerSettings settings,
                       std::size_t max_queued_bytes, std::function<void(Tidings&)> sink)
    : loop_{loop}, max_queued_bytes_{max_queued_bytes}, sink_{std::move(sink)} {
  consumer_ = std::make_unique<kafka::Consumer>(client, std::move(settings), *this);
}

PollThread::~PollThread() {
  stop();
}

void PollThread::start() {
  thread_ = std::thread{[this] { loop(); }};
}

void PollThread::stop() {
  if (stopping_.exchange(true)) return;
  consumer_->wake();
  if (thread_.joinable()) thread_.join();
  consumer_->close();
}

void PollThread::hold_back(Reason reason, bool hold) {
  auto const bit = static_cast<unsigned>(reason);
  if (hold) {
    held_back_.fetch_or(bit, std::memory_order_relaxed);
  } else if (held_back_.fetch_and(~bit, std::memory_order_relaxed) == bit) {
    consumer_->wake();
  }
}

void PollThread::rewind(kafka::TopicPartition where, std::int64_t offset) {
  {
    std::scoped_lock const lock{mutex_};
    rewinds_.push_back({std::move(where), offset});
  }
  consumer_->wake();
}

void PollThread::rewind_all() {
  std::vector<Rewind> rewinds;
  {
    std::scoped_lock const lock{mutex_};
    rewinds.swap(rewinds_);
  }
  for (auto& each : rewinds) {
    auto const error = consumer_->seek(each.where, each.offset);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
      hand_over(Rewound{std::move(each.where)});
    else if (error != RD_KAFKA_RESP_ERR__STATE && error != RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION)  // not ours any more
      rewind(std::move(each.where), each.offset);
  }
}

void PollThread::arrived(std::size_t bytes) {
  auto const before = queued_bytes();
  on_the_way_.fetch_sub(bytes, std::memory_order_relaxed);
  wake_if_fallen(before);
}

void PollThread::hold(std::size_t bytes) {
  auto const before = queued_bytes();
  held_.store(bytes, std::memory_order_relaxed);
  wake_if_fallen(before);
}

void PollThread::wake_if_fallen(std::size_t before) {
  auto const low = max_queued_bytes_ / 2;
  if (before >= low && queued_bytes() < low) consumer_->wake();
}

void PollThread::loop() {
  std::vector<kafka::Message> buffer(batch_size);
  ReadPace pace;
  while (!stopping_.load(std::memory_order_relaxed)) {
    rewind_all();
    auto most = batch_size;
    auto longest = longest_wait;
    auto want = fetching_.load(std::memory_order_relaxed) && held_back_.load(std::memory_order_relaxed) == 0 &&
                undelivered_.load(std::memory_order_relaxed) < most_undelivered && queued_bytes() < max_queued_bytes_;
    auto const limit = limit_.load(std::memory_order_relaxed);
    if (limit.rate > 0) {
      auto const now = std::chrono::steady_clock::now();
      auto const allowed = pace.allowed(now, limit);
      if (allowed > 0) {
        most = std::min(allowed, batch_size);
      } else {
        want = false;
        longest = std::min(longest, std::chrono::ceil<std::chrono::milliseconds>(pace.next() - now));
      }
    }
    auto const count = consumer_->poll(std::span{buffer}.first(most), want);
    if (count == 0) {
      consumer_->wait(longest);
      continue;
    }
    if (limit.rate > 0) pace.read(count);
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < count; ++i) bytes += held_bytes(*buffer[i]);
    on_the_way_.fetch_add(bytes, std::memory_order_relaxed);
    undelivered_.fetch_add(count, std::memory_order_relaxed);
    auto const end = buffer.begin() + static_cast<std::ptrdiff_t>(count);
    hand_over(Arrived{{std::make_move_iterator(buffer.begin()), std::make_move_iterator(end)}, bytes});
  }
}

void PollThread::hand_over(Tidings tidings) {
  bool first = false;
  {
    std::scoped_lock const lock{mutex_};
    first = pending_.empty();
    pending_.push_back(std::move(tidings));
  }
  if (first) boost::asio::post(loop_, [this] { deliver(); });
}

void PollThread::deliver() {
  std::vector<Tidings> pending;
  {
    std::scoped_lock const lock{mutex_};
    pending.swap(pending_);
  }
  // The next ones are fetched while these are processed.
  if (undelivered_.exchange(0, std::memory_order_relaxed) >= most_undelivered) consumer_->wake();
  for (auto& each : pending) sink_(each);
}

}  // namespace omnibus::engine
