// The part of the engine that commits batches.
#include "engine/engine.hpp"
#include "faults/failpoint.hpp"
#include "handler/classify.hpp"
#include "observability/log.hpp"
#include "postgres/unit.hpp"

#include <algorithm>
#include <exception>
#include <set>
#include <utility>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace omnibus::engine {
namespace {

constexpr std::chrono::milliseconds first_delay{100};
constexpr std::chrono::milliseconds longest_delay{2'000};

}  // namespace

void Engine::decode(Batch& batch, Delivery& delivery) {
  if (sated_) look_whether_sated();
  delivery.unfiltered = true;
  BatchEntry entry;
  entry.delivery = &delivery;
  decode(batch, entry);
  batch.entries.push_back(std::move(entry));
}

void Engine::decode(Batch& batch, BatchEntry& entry) {
  auto const inbox = !work_.batches().own_key;
  Attempt attempt{*this, *entry.delivery, inbox};
  entry.error = nullptr;
  auto const before = batch.items->size();
  try {
    if (batch.items->add(attempt)) entry.item = before;
    if (inbox) {
      entry.event_key = attempt.event_key();
      entry.about = attempt.about();
    }
  } catch (...) {
    entry.error = std::current_exception();
  }
}

Task<> Engine::commit(Batch& batch) {
  std::vector<BatchEntry*> decoded;
  std::vector<BatchEntry*> refused;
  for (auto& entry : batch.entries) {
    if (entry.error)
      refused.push_back(&entry);
    else if (entry.item == BatchEntry::no_item)
      entry.finished = true;
    else
      decoded.push_back(&entry);
  }
  auto committing = commit_entries(batch, std::move(decoded), settings_.recoverability.max_attempts);
  co_await std::move(committing);
  for (auto* const entry : refused) {
    auto burying = bury(batch, *entry);
    co_await std::move(burying);
  }
}

Task<> Engine::commit_entries(Batch& batch, std::vector<BatchEntry*> entries, std::uint32_t attempts) {
  boost::asio::steady_timer timer{loop_};
  for (auto delay = first_delay;; delay = std::min(delay * 2, longest_delay)) {
    // An event that was given up stops the later ones of its partition.
    std::erase_if(entries, [](auto const* entry) {
      auto const& partition = *entry->delivery->partition;
      return partition.lost || entry->delivery->sequence >= partition.drain_limit;
    });
    if (entries.empty()) co_return;
    std::exception_ptr error;
    try {
      auto committing = commit_once(batch, entries);
      co_await std::move(committing);
      batch.paused = false;
      for (auto* const entry : entries) entry->finished = true;
      co_return;
    } catch (...) {
      error = std::current_exception();
    }
    auto const failure = classify(error);
    auto const outage = failure && failure->kind() == Failure::Kind::outage;
    auto const counted = failure && failure->kind() == Failure::Kind::transient;
    auto const permanent = failure && failure->kind() == Failure::Kind::permanent;
    auto const for_good = permanent || (counted && --attempts == 0);
    if (for_good && entries.size() == 1) {
      if (counted) entries.front()->delivery->attempts = settings_.recoverability.max_attempts - 1;
      entries.front()->error = error;
      auto burying = bury(batch, *entries.front());
      co_await std::move(burying);
      co_return;
    }
    // In halves until the failing event is alone; by partition, to find the one that has another owner.
    auto const rest = for_good ? entries.begin() + static_cast<std::ptrdiff_t>(entries.size() / 2)
                               : std::stable_partition(entries.begin(), entries.end(), [&](auto const* entry) {
                                   return failure || entry->delivery->partition == entries.front()->delivery->partition;
                                 });
    if (rest != entries.end()) {
      std::vector<BatchEntry*> later(rest, entries.end());
      entries.erase(rest, entries.end());
      auto first = commit_entries(batch, std::move(entries), std::max(attempts, 1U));
      co_await std::move(first);
      auto second = commit_entries(batch, std::move(later), std::max(attempts, 1U));
      co_await std::move(second);
      co_return;
    }
    batch.paused = outage;
    if (!failure) confirm_membership(*entries.front()->delivery);
    for (auto* const entry : entries) give_up_unless_wanted(*entry->delivery);
    // In place, so that no batch overtakes another.
    log::warn("a batch is tried again",
              {{"events", entries.size()}, {"reason", failure ? failure->what() : Fenced{}.what()}});
    timer.expires_after(delay);
    auto wait = timer.async_wait(boost::asio::use_awaitable);
    co_await std::move(wait);
  }
}

/// After a failure, a partition that is being handed over does not wait.
void Engine::give_up_unless_wanted(Delivery const& delivery) {
  auto& partition = *delivery.partition;
  if (!partition.wanted()) partition.drain_limit = std::min(partition.drain_limit, delivery.sequence);
}

Task<> Engine::commit_once(Batch& batch, std::vector<BatchEntry*> const& entries) {
  auto& database = pool();
  postgres::BatchKey key{identity_.worker, identity_.run_id, {}, {}, !work_.batches().own_key};
  std::set<Partition const*> partitions;
  for (auto* const entry : entries) {
    auto const& partition = *entry->delivery->partition;
    entry->delivery->epoch = partition.epoch;
    if (partitions.insert(&partition).second)
      key.claims.push_back({identity_.claimed(partition.where.topic), partition.where.partition, partition.epoch});
    if (!key.inbox) continue;
    key.event_ids.push_back(entry->event_key);
    key.about.push_back(entry->about);
  }
  OMNIBUS_FAILPOINT("commit");
  auto job = database.run([&](pqxx::connection& connection) {
    return postgres::run_batch_unit(connection, key, [&](postgres::OpenUnit& unit, std::vector<bool> const& is_new) {
      std::vector<std::size_t> chosen;
      chosen.reserve(entries.size());
      for (std::size_t i = 0; i < entries.size(); ++i)
        if (!key.inbox || is_new[i]) chosen.push_back(entries[i]->item);
      batch.items->apply(unit.transaction(), chosen);
    });
  });
  auto const result = co_await std::move(job);
  if (result.outcome == postgres::CommitOutcome::fenced) throw Fenced{};
  if (result.outcome == postgres::CommitOutcome::erasing)
    throw Failure::deferred("the erasure of whom one of its events is about is running");
  for (auto* const entry : entries)
    if (std::ranges::find(result.erased, entry->event_key) != result.erased.end()) leave_out(*entry->delivery, {});
}

Task<> Engine::bury(Batch& batch, BatchEntry& entry) {
  boost::asio::steady_timer timer{loop_};
  auto& delivery = *entry.delivery;
  for (auto delay = first_delay;; delay = std::min(delay * 2, longest_delay)) {
    if (delivery.partition->lost || delivery.sequence >= delivery.partition->drain_limit) co_return;
    delivery.epoch = delivery.partition->epoch;
    Attempt attempt{*this, delivery, false};
    auto error = entry.error;
    try {
      if (raised<sealing::KeysNeeded>(error)) {
        auto loading = load_keys(error);
        co_await std::move(loading);
        decode(batch, entry);
        if (entry.error) continue;
        auto committing = commit_entries(batch, {&entry}, settings_.recoverability.max_attempts);
        co_await std::move(committing);
        co_return;
      }
      if (raised<sealing::KeyDestroyed>(error)) {
        auto skipping = attempt.skip();
        co_await std::move(skipping);
        leave_out(delivery, attempt.log_fields());
        entry.finished = true;
        co_return;
      }
    } catch (...) {
      error = std::current_exception();
    }
    auto resolving = resolve(delivery, attempt, error);
    auto const verdict = co_await std::move(resolving);
    batch.paused = verdict.kind == Verdict::Kind::outage;
    entry.finished = verdict.kind == Verdict::Kind::done;
    if (entry.finished) co_return;
    give_up_unless_wanted(delivery);
    timer.expires_after(delay);
    auto wait = timer.async_wait(boost::asio::use_awaitable);
    co_await std::move(wait);
  }
}

}  // namespace omnibus::engine
