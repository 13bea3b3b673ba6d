/// Seals the personal fields of events, and opens them.
#pragma once

#include "concurrency/task.hpp"
#include "kafka/cloud_event.hpp"
#include "postgres/pool.hpp"
#include "sealing/key_cache.hpp"
#include "sealing/key_store.hpp"
#include "sealing/personal_fields.hpp"

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace omnibus::sealing {

/// An event that is to be sealed before it is published.
struct SealingPlan {
  FieldTree const* fields;
  SubjectKey subject;  ///< whose key seals it
  std::string domain;
};

/// The data of an event that was opened, and its tenant.
struct OpenedEvent {
  std::string data;
  std::string domain;  ///< empty when it has no sealed text
};

/// One process's keys. A sealed event has the attribute `sealed` and sealed texts in the fields that its schema marks;
/// its other fields, its key and its headers stay as they are. Texts are bound to the type, the field and the id of
/// their event. Any thread may use it.
class Sealer {
 public:
  explicit Sealer(MasterKeys masters) : masters_{std::move(masters)} {}

  /// Reads which tenants are sealed, and forgets the keys of who is being erased. keep_fresh() calls it.
  void refresh(pqxx::connection& connection);
  /// Refreshes, and checks that this process can seal and open for every tenant that wants it.
  /// @throws config::ConfigError naming the setting to change.
  void require_keys(pqxx::connection& connection);

  /// Whether and how to seal an event; nothing when its tenant's log is clear, or when it has no personal fields.
  /// @param domain the tenant of an event whose data does not name it; may be empty
  /// @throws KeyUnavailable before the first refresh, when nothing is known of tenants.
  std::optional<SealingPlan> plan(std::string_view type, std::string_view data, std::string_view record_key,
                                  std::string_view domain) const;
  /// Whether it is known that no tenant is sealed: then there is nothing to plan.
  bool is_idle() const { return idle_; }

  /// The key for it if it is in memory; null otherwise.
  SharedCipher at_hand(SealingPlan const& plan) const;
  /// The key for it, made in this transaction if there is none. @throws KeyUnavailable
  SharedCipher take(SealingPlan const& plan, pqxx::transaction_base& transaction);
  /// The same in a transaction of this call. @throws KeyUnavailable
  SharedCipher take(SealingPlan const& plan, pqxx::connection& connection);
  static void seal(SealingPlan const& plan, SubjectCipher const& cipher, Envelope& envelope, std::string& data);

  /// Loads keys that open() needs. @throws KeyUnavailable for one that does not exist, or cannot be unwrapped.
  void load(pqxx::connection& connection, std::vector<Uuid> const& ids);
  void load(pqxx::transaction_base& transaction, std::vector<Uuid> const& ids);
  /// Opens a sealed event. @throws KeysNeeded, KeyDestroyed, KeyUnavailable, SealBroken
  OpenedEvent open(EnvelopeView const& envelope, std::string_view data) const;

 private:
  bool seals(std::string_view domain) const;

  MasterKeys const masters_;
  KeyCache keys_;
  std::atomic<bool> idle_{false};
  mutable std::mutex mutex_;
  std::set<std::string, std::less<>> tenants_;
  std::optional<KeyCache::Clock::time_point> refreshed_;
};

/// Refreshes each second, for ever. Ends only by an exception of the executor.
Task<> keep_fresh(Sealer& sealer, TransactionPool& pool);

}  // namespace omnibus::sealing
