// The part of the engine that lets long deferred events wait in the database, and takes them up again.
#include "engine/dispatch/lane.hpp"
#include "engine/engine.hpp"
#include "faults/failpoint.hpp"
#include "observability/log.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <pqxx/pqxx>

namespace omnibus::engine {
namespace {

constexpr std::size_t most_places = 10'000;  // of a transaction
constexpr std::size_t most_rows_read = 256;  // that are read at once
constexpr std::size_t most_bytes_read = 1 << 20;
constexpr std::chrono::milliseconds pause_of_rows{500};  // after a failure

std::chrono::milliseconds in_ms(Clock::duration duration) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(duration);
}

postgres::DeferredRecord row_of(DeferredKeys::Place const& place, Clock::time_point now) {
  postgres::DeferredRecord row;
  row.offset = place.row.offset;
  row.timestamp_ms = place.row.timestamp_ms;
  row.key_hash = place.key_hash;
  row.bytes = place.bytes;
  row.attempts = place.attempts;
  row.deferrals = place.deferrals;
  row.due = in_ms(place.due - now);
  row.arrived = in_ms(now - place.arrived);
  if (place.first_failed != Clock::time_point{}) row.first_failed = in_ms(now - place.first_failed);
  return row;
}

}  // namespace

/// Not in a replay, which ends when everything in its window has.
bool Engine::stores_deferrals() const {
  return dispatcher_ != nullptr && ports_.pool != nullptr && ports_.replay == nullptr;
}

void Engine::put_away(std::span<Delivery* const> lane, std::chrono::milliseconds delay) {
  auto const now = Clock::now();
  auto const& head = *lane.front();
  auto& partition = *head.partition;
  auto& keys = partition.deferred;
  keys.wait(head.key_hash, now + delay);
  for (auto* const each : lane) {
    if (each->row) keys.left(each->key_hash, false, now);
    if (!each->row || each == &head) keys.append(DeferredKeys::place_of(*each, partition.frontier));
    deliveries_.give_back(*each);
  }
  read_if_due(keys);
  weigh();
  if (sated_) look_whether_sated();
}

bool Engine::waits_behind(Partition& partition, std::uint64_t key_hash, kafka::Message& message,
                          Clock::time_point now) {
  auto& keys = partition.deferred;
  switch (keys.arrive(key_hash)) {
    case DeferredKeys::Arrival::lane:
      return false;
    case DeferredKeys::Arrival::late: {
      auto& delivery = new_delivery(partition, key_hash, message, now);
      delivery.record.copy();
      keys.keep_late(delivery);
      return true;
    }
    case DeferredKeys::Arrival::row:
      for (auto* const late : keys.take_late(key_hash)) {
        keys.append(DeferredKeys::place_of(*late, partition.frontier));
        deliveries_.give_back(*late);
      }
  }
  DeferredKeys::Place place;
  place.key_hash = key_hash;
  place.row = {message->offset, kafka::timestamp_ms(*message)};
  place.bytes = static_cast<std::uint32_t>(record_bytes(*message));
  place.arrived = now;
  place.sequence = partition.frontier.begin(place.row.offset, place.row.timestamp_ms);
  keys.append(place);
  return true;
}

void Engine::left_row(Delivery& delivery, bool finished) {
  auto const& where = delivery.partition->where;
  if (finished) {
    OMNIBUS_FAILPOINT("deferred.handled");
    bump(counters_.handled);
    finished_rows_.push_back({{where.topic, where.partition}, delivery.row->offset, delivery.row->timestamp_ms});
  }
  auto& keys = delivery.partition->deferred;
  keys.left(delivery.key_hash, finished, Clock::now());
  read_if_due(keys);
}

/// The last step before a partition opens.
Task<> Engine::adopt_deferred(std::vector<std::shared_ptr<Partition>> const& partitions) {
  std::vector<postgres::FencedPartition> wanted;
  wanted.reserve(partitions.size());
  for (auto const& each : partitions) wanted.push_back({each->where.topic, each->where.partition});
  auto reading = ports_.pool->run(
      [&](pqxx::connection& connection) { return postgres::deferred_keys(connection, identity_.worker, wanted); });
  auto const keys = co_await std::move(reading);
  for (std::size_t i = 0; i < partitions.size(); ++i) {
    std::vector<postgres::DeferredKey> its;
    std::ranges::copy_if(keys, std::back_inserter(its), [&](auto const& key) { return key.partition == wanted[i]; });
    adopt_deferred(*partitions[i], its);
  }
}

void Engine::adopt_deferred(Partition& partition, std::vector<postgres::DeferredKey> const& keys) {
  auto const now = Clock::now();
  std::vector<std::uint64_t> hashes;
  std::int64_t number = 0;
  for (auto const& key : keys) {
    // What it waits for may have been mended with the restart: nobody should wait a day to find out. But not all at
    // once.
    auto const soon = settings_.long_deferral * ++number / static_cast<std::int64_t>(keys.size());
    auto const due = key.due > settings_.long_deferral ? soon : key.due;
    partition.deferred.adopt(key.key_hash, now + due, static_cast<std::size_t>(key.records), now - key.arrived);
    hashes.push_back(key.key_hash);
  }
  // What arrived meanwhile belongs behind the rows. If the partition was open before, another owner may have added
  // rows. They are of records that we hold already, or of later ones, so they are read after our deliveries.
  if (std::exchange(partition.knows_deferred, true)) return;
  for (auto* const each : dispatcher_->take_back(partition, hashes)) {
    partition.deferred.append(DeferredKeys::place_of(*each, partition.frontier));
    deliveries_.give_back(*each);
  }
  if (!keys.empty())
    log::info("deferred events wait in the database", {{"topic", partition.where.topic},
                                                       {"partition", partition.where.partition},
                                                       {"keys", partition.deferred.keys()},
                                                       {"records", partition.deferred.rows()}});
}

void Engine::tend_deferrals_now() {
  exchange_wanted_ = true;
  deferrals_timer_.cancel();
}

Task<> Engine::tend_deferrals() {
  auto failed = false;
  while (!stopped_) {
    if (failed || !exchange_wanted_) {
      deferrals_timer_.expires_after(settings_.deferral_interval);
      auto wait = deferrals_timer_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
      co_await std::move(wait);
    }
    if (stopped_) co_return;
    exchange_wanted_ = false;
    auto exchanging = exchange_deferred();
    failed = !co_await std::move(exchanging);
  }
}

std::size_t Engine::free_for_deferred() const {
  if (dispatch_->crowded()) return 0;
  std::size_t active = 0;
  for (auto const& [key, partition] : partitions_) active += partition->deferred.active();
  // A retry may wait for minutes, and be one of many: other keys go on meanwhile. crowded() bounds what is in memory.
  active -= std::min(active, dispatch_->waiting_for_retry());
  return settings_.max_in_flight - std::min(active, settings_.max_in_flight);
}

void Engine::read_if_due(DeferredKeys const& keys) {
  if (keys.is_due(Clock::now()) && free_for_deferred() > 0) tend_deferrals_now();
}

std::vector<Engine::DeferredLoad> Engine::due_keys() {
  std::vector<DeferredLoad> loads;
  auto const most = free_for_deferred();
  if (most == 0) return loads;
  std::vector<std::shared_ptr<Partition>> due;
  auto const now = Clock::now();
  for (auto const& [key, partition] : partitions_)
    if (partition->open && partition->wanted() && partition->deferred.is_due(now)) due.push_back(partition);
  if (due.empty()) return loads;
  // The first ones have the most: they take turns. Tenants within a partition do not.
  auto const first = std::ranges::find_if(due, [this](auto const& each) {
    return PartitionKey{each->where.topic, each->where.partition} > first_due_;
  });
  std::rotate(due.begin(), first, due.end());
  first_due_ = {due.front()->where.topic, due.front()->where.partition};
  std::vector<DeferredKeys*> keys;
  keys.reserve(due.size());
  for (auto const& each : due) keys.push_back(&each->deferred);
  for (auto const& [number, load] : begin_loads(keys, now, most)) loads.push_back({due[number], load});
  return loads;
}

std::vector<Engine::DeferredPlaces> Engine::unwritten_places() {
  std::vector<DeferredPlaces> taken;
  auto most = most_places;
  for (auto const& [key, partition] : partitions_) {
    auto& keys = partition->deferred;
    if (!partition->wanted() && (partition->lost || !partition->open)) keys.drop_unwritten();
    if (!keys.has_unwritten() || !partition->open || most == 0) continue;
    taken.push_back({partition, partition->epoch, keys.take_unwritten(most)});
    most -= taken.back().places.size();
  }
  return taken;
}

/// Writes what was deferred, removes the rows of what has ended, and reads the rows of keys that are due: rows of
/// theirs that have ended are removed before. @return false if the database could not be asked
Task<bool> Engine::exchange_deferred() {
  auto loads = due_keys();
  auto taken = unwritten_places();
  auto finished = std::exchange(finished_rows_, {});
  if (loads.empty() && taken.empty() && finished.empty()) co_return true;
  auto const now = Clock::now();
  std::vector<postgres::DeferredWrite> writes;
  for (auto const& [partition, epoch, places] : taken) {
    auto& write = writes.emplace_back();
    write.partition = {partition->where.topic, partition->where.partition};
    write.epoch = epoch;
    for (auto const& place : places) write.records.push_back(row_of(place, now));
  }
  std::vector<postgres::DeferredQuery> queries;
  queries.reserve(loads.size());
  for (auto const& [partition, load, rows, more] : loads)
    queries.push_back({{partition->where.topic, partition->where.partition},
                       load.key_hash,
                       static_cast<std::int64_t>(load.most) + 1});
  std::vector<bool> written;
  std::exception_ptr failed;
  for (auto const& write : writes) in_exchange_.push_back(write.partition);
  for (auto const& row : finished) in_exchange_.push_back(row.partition);
  OMNIBUS_FAILPOINT("deferred.write");
  try {
    auto asking = ports_.pool->run([&](pqxx::connection& connection) {
      if (!writes.empty() || !finished.empty())
        written = postgres::write_deferred(connection, identity_.worker, writes, finished);
      return queries.empty() ? std::vector<std::vector<postgres::DeferredRecord>>{}
                             : postgres::read_deferred(connection, identity_.worker, queries);
    });
    auto rows = co_await std::move(asking);
    for (std::size_t i = 0; i < rows.size(); ++i) loads[i].rows = std::move(rows[i]);
  } catch (std::exception const& error) {
    log::warn("deferred events could not be written or read yet", {{"reason", error.what()}});
    failed = std::current_exception();
  }
  in_exchange_.clear();
  OMNIBUS_FAILPOINT("deferred.written");
  end_writes(taken, written);
  if (failed) {
    // For a partition that is being revoked they are dropped: if these events are read again, the inbox recognises
    // them.
    std::ranges::copy_if(finished, std::back_inserter(finished_rows_), [this](auto const& row) {
      auto const found = partitions_.find({row.partition.topic, row.partition.partition});
      return found != partitions_.end() && found->second->wanted();
    });
    for (auto& load : loads) load.more = true;
  }
  for (auto& load : loads) {
    if (load.rows.size() <= load.load.most) continue;
    load.more = true;
    load.rows.resize(load.load.most);
  }
  read_rows(std::move(loads));
  // Keys that were due before all of theirs was written, and what did not fit in.
  std::size_t places = 0;
  for (auto const& each : taken) {
    places += each.places.size();
    read_if_due(each.partition->deferred);
  }
  if (places == most_places) exchange_wanted_ = true;
  co_return !failed;
}

/// @param written empty when nothing was
void Engine::end_writes(std::vector<DeferredPlaces>& taken, std::vector<bool> const& written) {
  for (std::size_t i = 0; i < taken.size(); ++i) {
    auto& [partition, epoch, places] = taken[i];
    auto& keys = partition->deferred;
    if (!written.empty() && written[i]) {
      for (auto const& place : places)
        if (place.sequence) partition->frontier.finish(*place.sequence);
      keys.written(places);
      commit_if_much_is_ahead(*partition);
      hold_back_over_share(*partition);
      continue;
    }
    if (!written.empty()) confirm_membership(*partition, epoch);
    // The next owner reads it again.
    if (partition->wanted()) keys.not_written(std::exchange(places, {}));
  }
}

void Engine::read_rows(std::vector<DeferredLoad> loads) {
  for (auto begin = loads.begin(); begin != loads.end();) {
    std::vector<RecordPlace> places;
    std::size_t bytes = 0;
    auto end = begin;
    for (; end != loads.end() && places.size() < most_rows_read && bytes < most_bytes_read; ++end) {
      for (auto const& row : end->rows) {
        places.push_back(
            {end->partition->where, end->partition->salt, end->load.key_hash, row.offset, row.timestamp_ms});
        bytes += row.bytes;
      }
    }
    std::vector<DeferredLoad> const run{std::make_move_iterator(begin), std::make_move_iterator(end)};
    begin = end;
    auto submit = [this, run](std::vector<Reread> records) {
      auto left = std::span{records};
      for (auto const& load : run) {
        submit_rows(load, left.first(load.rows.size()));
        left = left.subspan(load.rows.size());
      }
      dispatch_->pump();
      weigh();
    };
    if (places.empty())
      submit({});
    else
      loader().read(std::move(places), std::move(submit));
  }
}

void Engine::submit_rows(DeferredLoad const& load, std::span<Reread> records) {
  auto const now = Clock::now();
  auto& partition = *load.partition;
  auto& keys = partition.deferred;
  auto const key_hash = load.load.key_hash;
  auto const failed = std::ranges::find(records, Reread::Kind::failed, &Reread::kind);
  // Not those behind one that could not be read: they would overtake it.
  auto const known = static_cast<std::size_t>(failed - records.begin());
  auto const more = load.more || failed != records.end();
  auto const retry = more && known == 0 ? now + pause_of_rows : now;
  std::vector<Delivery*> submitted;
  for (std::size_t i = 0; i < known; ++i) {
    auto const& row = load.rows[i];
    if (records[i].kind == Reread::Kind::gone) {
      count_missed(partition, row.offset, 1);
      finished_rows_.push_back({{partition.where.topic, partition.where.partition}, row.offset, row.timestamp_ms});
      continue;
    }
    auto& delivery = *submitted.emplace_back(&deliveries_.take());
    delivery.partition = &partition;
    delivery.key_hash = key_hash;
    delivery.row = std::make_unique<DeferredRow>(DeferredRow{row.offset, row.timestamp_ms});
    delivery.bytes = row.bytes;
    delivery.attempts = row.attempts;
    delivery.deferrals = row.deferrals;
    delivery.arrived = now - row.arrived;
    if (row.first_failed) delivery.first_failed = now - *row.first_failed;
    delivery.record = std::move(records[i].record);
  }
  if (!load.rows.empty()) keys.begins_at(key_hash, now - load.rows.front().arrived);
  auto const [submit, last, late] = keys.end_load(key_hash, submitted.size(), more, retry);
  auto const stays = partition.wanted();
  for (auto* const each : submitted) {
    if (submit && stays)
      dispatch_->submit(*each);
    else
      deliveries_.give_back(*each);
  }
  for (auto* const each : late) {
    if (stays && last) {
      dispatch_->submit(*each);
      continue;
    }
    if (stays) keys.append(DeferredKeys::place_of(*each, partition.frontier));
    deliveries_.give_back(*each);
  }
  if (stays) read_if_due(keys);
}

bool Engine::has_unsaved_deferrals(std::vector<std::shared_ptr<Partition>> const& partitions) const {
  return std::ranges::any_of(partitions, [this](auto const& each) {
    postgres::FencedPartition const its{each->where.topic, each->where.partition};
    return std::ranges::find(in_exchange_, its) != in_exchange_.end() ||
           std::ranges::find(finished_rows_, its, &postgres::DeferredPlace::partition) != finished_rows_.end() ||
           (!each->lost && each->deferred.has_unwritten());
  });
}

}  // namespace omnibus::engine
