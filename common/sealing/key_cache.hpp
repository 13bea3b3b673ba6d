/// The keys in memory.
#pragma once

#include "sealing/subject_cipher.hpp"

#include <chrono>
#include <cstddef>
#include <mutex>
#include <optional>
#include <span>
#include <unordered_map>

namespace omnibus::sealing {

/// Keys by id and by person, each for a limited time and until it is dropped. Any thread may use it. Time is passed in.
class KeyCache {
 public:
  using Clock = std::chrono::steady_clock;

  explicit KeyCache(std::chrono::milliseconds time_to_live = std::chrono::seconds{60}, std::size_t capacity = 100'000)
      : time_to_live_{time_to_live}, capacity_{capacity} {}

  /// The person's key; null when it is not here.
  SharedCipher of(SubjectKey const& subject, Clock::time_point now) const;
  /// The key of that id: null when it was destroyed. Nothing when it is not here.
  std::optional<SharedCipher> by_id(Uuid const& id, Clock::time_point now) const;
  /// Adds a person's key, in place of an earlier one.
  SharedCipher put(SubjectCipher cipher, Clock::time_point now);
  void put_destroyed(Uuid const& id, Clock::time_point now);
  /// Forgets all keys of these persons.
  void drop(std::span<SubjectKey const> subjects);
  void clear();
  bool empty() const;

 private:
  struct Entry {
    SharedCipher cipher;  // null: destroyed
    Clock::time_point expires;
  };
  void make_room(Clock::time_point now);

  std::chrono::milliseconds const time_to_live_;
  std::size_t const capacity_;
  mutable std::mutex mutex_;
  std::unordered_map<Uuid, Entry> by_id_;
  std::unordered_map<SubjectKey, Uuid> current_;
};

}  // namespace omnibus::sealing
