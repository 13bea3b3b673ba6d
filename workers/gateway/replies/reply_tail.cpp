#include "workers/gateway/replies/reply_tail.hpp"

#include "observability/log.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include <boost/asio/post.hpp>

namespace omnibus::gateway {
namespace asio = boost::asio;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::ptrdiff_t batches_waiting = 64;
constexpr auto answer_timeout = 5s;
constexpr auto partitions_interval = 15s;

}  // namespace

ReplyTail::ReplyTail(kafka::ClientSettings settings, std::string topic, std::int64_t newest,
                     asio::any_io_executor executor, Listener listener, ReadEvent read_event, OpenReply open)
    : settings_(std::move(settings)),
      topic_(std::move(topic)),
      newest_(newest),
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
  while (!stopping_ && !log.caught_up()) follow(log);
  if (stopping_) return;
  asio::post(executor_, listener_.caught_up);
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
  auto const partitions = log.partitions(answer_timeout);
  auto const newest = newest_ / static_cast<std::int64_t>(partitions.size());
  std::vector<Cursor> begins;
  for (auto const partition : partitions) {
    if (std::find(known.begin(), known.end(), partition) != known.end()) continue;
    begins.push_back({partition, 0});  // one that was added while we ran is read from its beginning
    if (!known.empty()) continue;
    auto const range = log.range_of(partition, answer_timeout);
    begins.back().offset = std::max(range.begin, range.end - newest);
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

}  // namespace omnibus::gateway
