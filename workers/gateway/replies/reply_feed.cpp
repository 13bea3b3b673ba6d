#include "workers/gateway/replies/reply_feed.hpp"

#include <algorithm>
#include <utility>

namespace omnibus::gateway {

Subscription::Subscription(ReplyFeed& feed, Uuid conversation_id, std::size_t max_bytes, std::function<void()> wake)
    : feed_(feed), conversation_id_(conversation_id), max_bytes_(max_bytes), wake_(std::move(wake)) {
  feed_.add(conversation_id_, this);
}

Subscription::~Subscription() {
  feed_.remove(conversation_id_, this);
}

void Subscription::push(SharedReply reply) {
  if (overrun_) return;
  if (bytes_ + reply->bytes() > max_bytes_) {
    overrun_ = true;
  } else {
    bytes_ += reply->bytes();
    waiting_.push_back(std::move(reply));
  }
  wake_();
}

SharedReply Subscription::take() {
  if (waiting_.empty()) return nullptr;
  auto reply = std::move(waiting_.front());
  waiting_.pop_front();
  bytes_ -= reply->bytes();
  return reply;
}

void ReplyFeed::add(Uuid const& conversation_id, Subscription* subscription) {
  subscriptions_[conversation_id].push_back(subscription);
  ++streams_;
}

void ReplyFeed::remove(Uuid const& conversation_id, Subscription* subscription) {
  auto const found = subscriptions_.find(conversation_id);
  std::erase(found->second, subscription);
  if (found->second.empty()) subscriptions_.erase(found);
  --streams_;
}

void ReplyFeed::deliver(SharedReply const& reply) {
  auto const found = subscriptions_.find(reply->conversation_id);
  if (found == subscriptions_.end()) return;
  for (auto* subscription : found->second) subscription->push(reply);
}

}  // namespace omnibus::gateway
