#include "workers/gateway/replies/reply_tail.hpp"

#include "observability/log.hpp"
#include "workers/gateway/door/refusal.hpp"

#include <algorithm>
#include <exception>
#include <iterator>
#include <memory>
#include <utility>

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace omnibus::gateway {
namespace asio = boost::asio;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::ptrdiff_t batches_waiting = 64;
constexpr auto answer_timeout = 5s;
constexpr auto partitions_interval = 15s;
constexpr std::size_t records_per_stretch = 20'000;

}  // namespace

ReplyTail::ReplyTail(kafka::ClientSettings settings, std::string topic, asio::any_io_executor executor,
                     Listener listener, ReadEvent read_event, OpenReply open)
    : settings_(std::move(settings)),
      topic_(std::move(topic)),
      executor_(std::move(executor)),
      listener_(std::move(listener)),
      read_event_(read_event),
      open_(std::move(open)),
      room_(batches_waiting) {
  thread_ = std::thread([this] { run(); });
}

ReplyTail::~ReplyTail() {
  stop();
}

void ReplyTail::stop() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
}

void ReplyTail::run() {
  ReplyLog log(settings_, "replies", topic_, read_event_, open_);
  std::vector<std::int32_t> known;
  bool complained = false;
  // The replies to a message that this gateway accepts must be seen, so it is not ready before the tail is in place.
  while (!stopping_) {
    try {
      begin_new_partitions(log, known);
      break;
    } catch (kafka::Error const& error) {
      if (!complained) log::warn("replies cannot be followed yet", {{"topic", topic_}, {"reason", error.what()}});
      complained = true;
      std::this_thread::sleep_for(200ms);
    }
  }
  if (stopping_) return;
  log::info("following replies", {{"topic", topic_}, {"partitions", known.size()}});
  ready_ = true;
  auto look_again = Clock::now() + partitions_interval;
  while (!stopping_) {
    follow(log);
    ready_ = log.connected();
    if (Clock::now() < look_again) continue;
    look_again = Clock::now() + partitions_interval;
    try {
      begin_new_partitions(log, known);
    } catch (kafka::Error const&) {
      ready_ = false;  // checked again soon; followed partitions continue
    }
  }
}

void ReplyTail::begin_new_partitions(ReplyLog& log, std::vector<std::int32_t>& known) {
  std::vector<Cursor> begins;
  for (auto const partition : log.partitions(answer_timeout)) {
    if (std::find(known.begin(), known.end(), partition) != known.end()) continue;
    // A partition that was added while we ran is read from its beginning.
    begins.push_back({partition, known.empty() ? log.end_of(partition, answer_timeout) : 0});
  }
  for (auto const& from : begins) {
    log.start(from);
    known.push_back(from.partition);
  }
  if (begins.empty()) return;
  asio::post(executor_, [begun = listener_.begun, from = std::move(begins)] { begun(from); });
}

void ReplyTail::follow(ReplyLog& log) {
  auto entries = log.read(100ms);
  std::vector<Reply> replies;
  for (auto& entry : entries)
    if (entry.reply) replies.push_back(std::move(*entry.reply));
  if (!replies.empty()) tell(std::move(replies));
}

void ReplyTail::tell(std::vector<Reply> replies) {
  while (!room_.try_acquire_for(100ms))
    if (stopping_) return;
  asio::post(executor_, [this, batch = std::move(replies), arrived = listener_.arrived]() mutable {
    room_.release();
    arrived(std::move(batch));
  });
}

/// The thread, and its client, created at the first request.
class ReplyHistory::Implementation {
 public:
  Implementation(kafka::ClientSettings settings, std::string topic, std::size_t max_waiting, OpenReply open)
      : settings_(std::move(settings)), topic_(std::move(topic)), max_waiting_(max_waiting), open_(std::move(open)) {}

  bool has(std::int32_t partition) {
    if (!log_) log_ = std::make_unique<ReplyLog>(settings_, "history", topic_, read_reply, open_);
    auto const known = log_->partitions(answer_timeout);
    return std::find(known.begin(), known.end(), partition) != known.end();
  }

  std::int64_t end_of(std::int32_t partition) { return has(partition) ? log_->end_of(partition, answer_timeout) : 0; }

  Stretch read(Uuid const& conversation_id, Cursor const& first, std::int64_t end) {
    Stretch stretch;
    stretch.next = first.offset;
    if (!has(first.partition)) {
      stretch.next = end;
      return stretch;
    }
    log_->start(first);
    try {
      scan(stretch, conversation_id, first, end);
    } catch (...) {
      log_->stop(first.partition);
      throw;
    }
    log_->stop(first.partition);
    return stretch;
  }

  void scan(Stretch& stretch, Uuid const& conversation_id, Cursor const& first, std::int64_t end) {
    auto const deadline = Clock::now() + answer_timeout;
    std::size_t looked_at = 0;
    while (stretch.next < end && looked_at < records_per_stretch && !stopping) {
      auto entries = log_->read(100ms);
      for (auto& entry : entries) {
        if (entry.at.partition != first.partition || entry.at.offset < stretch.next) continue;
        if (entry.at.offset >= end) {
          stretch.next = end;
          return;
        }
        stretch.next = entry.at.offset + 1;
        ++looked_at;
        if (entry.reply && entry.reply->conversation_id == conversation_id)
          stretch.replies.push_back(std::move(*entry.reply));
      }
      if (!entries.empty() || Clock::now() < deadline) continue;
      // The last records of a range may not be ours (control records of a transaction): there is nothing to
      // wait for when the broker answers and still sends nothing.
      if (!log_->connected()) throw kafka::Error(RD_KAFKA_RESP_ERR__TIMED_OUT, "chat.replies");
      stretch.next = end;
    }
  }

  asio::thread_pool thread{1};
  std::atomic<std::size_t> waiting{0};
  std::atomic<bool> stopping{false};
  std::size_t max_waiting() const { return max_waiting_; }

 private:
  kafka::ClientSettings settings_;
  std::string topic_;
  std::size_t max_waiting_;
  OpenReply open_;
  std::unique_ptr<ReplyLog> log_;
};

ReplyHistory::ReplyHistory(kafka::ClientSettings settings, std::string topic, std::size_t max_waiting, OpenReply open)
    : implementation_(
          std::make_shared<Implementation>(std::move(settings), std::move(topic), max_waiting, std::move(open))) {}

ReplyHistory::~ReplyHistory() {
  stop();
}

void ReplyHistory::stop() {
  implementation_->stopping = true;
  implementation_->thread.join();
}

template <class Result>
Task<Result> ReplyHistory::run(std::function<Result(Implementation&)> work) {
  if (implementation_->waiting >= implementation_->max_waiting())
    throw Refusal::unavailable("Too many streams are catching up");
  auto initiate = [implementation = implementation_, work = std::move(work)](auto handler) {
    using Waiter = decltype(handler);
    struct Waiting {
      explicit Waiting(Waiter given) : waiter(std::move(given)), guard(asio::get_associated_executor(waiter)) {}
      Waiter waiter;
      asio::executor_work_guard<asio::associated_executor_t<Waiter>> guard;
    };
    auto waiting = std::make_shared<Waiting>(std::move(handler));
    ++implementation->waiting;
    asio::post(implementation->thread, [implementation, waiting, work] {
      std::exception_ptr failure;
      Result result{};
      try {
        result = work(*implementation);
      } catch (...) {
        failure = std::current_exception();
      }
      --implementation->waiting;
      auto const executor = waiting->guard.get_executor();
      asio::post(executor, [waiting, failure, result = std::move(result)]() mutable {
        waiting->waiter(failure, std::move(result));
      });
      waiting->guard.reset();
    });
  };
  auto operation = asio::async_initiate<asio::use_awaitable_t<> const, void(std::exception_ptr, Result)>(
      std::move(initiate), asio::use_awaitable);
  co_return co_await std::move(operation);
}

Task<ReplyHistory::Stretch> ReplyHistory::read(Uuid conversation_id, Cursor first, std::int64_t end) {
  return run<Stretch>([=](Implementation& log) { return log.read(conversation_id, first, end); });
}

Task<std::int64_t> ReplyHistory::end_of(std::int32_t partition) {
  return run<std::int64_t>([=](Implementation& log) { return log.end_of(partition); });
}

}  // namespace omnibus::gateway
