#include "sealing/key_cache.hpp"

#include <unordered_set>
#include <utility>

namespace omnibus::sealing {

SharedCipher KeyCache::of(SubjectKey const& subject, Clock::time_point now) const {
  std::scoped_lock const lock{mutex_};
  auto const current = current_.find(subject);
  if (current == current_.end()) return nullptr;
  auto const found = by_id_.find(current->second);
  return found == by_id_.end() || found->second.expires <= now ? nullptr : found->second.cipher;
}

std::optional<SharedCipher> KeyCache::by_id(Uuid const& id, Clock::time_point now) const {
  std::scoped_lock const lock{mutex_};
  auto const found = by_id_.find(id);
  if (found == by_id_.end() || found->second.expires <= now) return std::nullopt;
  return found->second.cipher;
}

SharedCipher KeyCache::put(SubjectCipher cipher, Clock::time_point now) {
  auto shared = std::make_shared<SubjectCipher const>(std::move(cipher));
  std::scoped_lock const lock{mutex_};
  make_room(now);
  by_id_[shared->key_id] = {shared, now + time_to_live_};
  current_[shared->subject] = shared->key_id;
  return shared;
}

void KeyCache::put_destroyed(Uuid const& id, Clock::time_point now) {
  std::scoped_lock const lock{mutex_};
  make_room(now);
  by_id_[id] = {nullptr, now + time_to_live_};
}

void KeyCache::drop(std::span<SubjectKey const> subjects) {
  if (subjects.empty()) return;
  std::unordered_set<SubjectKey> const dropped{subjects.begin(), subjects.end()};
  std::scoped_lock const lock{mutex_};
  for (auto const& subject : subjects) current_.erase(subject);
  // Not only the current ones: a person who came back may have an older key here.
  std::erase_if(by_id_, [&](auto const& entry) {
    auto const& cipher = entry.second.cipher;
    return cipher && dropped.contains(cipher->subject);
  });
}

void KeyCache::clear() {
  std::scoped_lock const lock{mutex_};
  by_id_.clear();
  current_.clear();
}

bool KeyCache::empty() const {
  std::scoped_lock const lock{mutex_};
  return by_id_.empty();
}

void KeyCache::make_room(Clock::time_point now) {
  if (by_id_.size() < capacity_) return;
  std::erase_if(by_id_, [&](auto const& entry) { return entry.second.expires <= now; });
  if (by_id_.size() >= capacity_) by_id_.clear();
  std::erase_if(current_, [&](auto const& entry) { return !by_id_.contains(entry.second); });
}

}  // namespace omnibus::sealing
