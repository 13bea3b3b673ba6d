#include "engine/record_loader.hpp"

#include "engine/dispatch/lane.hpp"
#include "observability/log.hpp"

#include <algorithm>
#include <numeric>
#include <tuple>
#include <utility>

#include <boost/asio/post.hpp>

namespace omnibus::engine {
namespace {

constexpr std::chrono::seconds patience{2};  // with a partition that does not answer
constexpr std::chrono::milliseconds longest_fetch{5};
constexpr std::chrono::seconds left_alone{5};    // for so long after that
constexpr std::chrono::seconds most_behind{30};  // a new leader may know less for a moment, but not for longer
constexpr std::int64_t widest_gap = 512;         // to read over; beyond, a new fetch costs less

}  // namespace

RecordLoader::RecordLoader(boost::asio::io_context& loop, kafka::ClientSettings client)
    : loop_{loop}, client_{std::move(client)}, thread_{[this] { this->loop(); }} {}

RecordLoader::~RecordLoader() {
  stop();
}

void RecordLoader::stop() {
  {
    std::scoped_lock const lock{mutex_};
    stopping_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void RecordLoader::read(std::vector<RecordPlace> places, Sink sink) {
  {
    std::scoped_lock const lock{mutex_};
    asked_.push_back({std::move(places), std::move(sink)});
  }
  changed_.notify_one();
}

void RecordLoader::loop() {
  for (;;) {
    Asked asked;
    {
      std::unique_lock lock{mutex_};
      changed_.wait(lock, [this] { return stopping_ || !asked_.empty(); });
      if (stopping_) return;
      asked = std::move(asked_.front());
      asked_.pop_front();
    }
    auto records = read_all(asked.places);
    boost::asio::post(loop_, [this, sink = std::move(asked.sink), records = std::move(records)]() mutable {
      if (!stopping_) sink(std::move(records));
    });
  }
}

std::vector<Reread> RecordLoader::read_all(std::vector<RecordPlace> const& places) {
  std::vector<Reread> records(places.size());
  for (auto& each : records) each.kind = Reread::Kind::failed;
  std::vector<std::size_t> order(places.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [&](std::size_t i) { return std::tie(places[i].where, places[i].offset); });
  for (auto begin = order.begin(); begin != order.end() && !stopping_;) {  // each may take as long as `patience`
    auto const end = std::adjacent_find(begin, order.end(), [&](std::size_t a, std::size_t b) {
      return places[a].where != places[b].where || places[b].offset - places[a].offset > widest_gap;
    });
    auto const next = end == order.end() ? end : end + 1;
    read_stretch(places, {begin, next}, records);
    begin = next;
  }
  return records;
}

void RecordLoader::read_stretch(std::vector<RecordPlace> const& places, std::span<std::size_t const> stretch,
                                std::vector<Reread>& records) {
  auto const& where = places[stretch.front()].where;
  auto const first = places[stretch.front()].offset;
  if (auto const found = left_alone_until_.find(where); found != left_alone_until_.end()) {
    if (Clock::now() < found->second) return;
    left_alone_until_.erase(found);
  }
  try {
    if (!reader_) reader_ = std::make_unique<kafka::PartitionReader>(client_, patience, longest_fetch);
    auto left = stretch;
    auto const gone_before = [&](std::int64_t offset) {
      for (; !left.empty() && places[left.front()].offset < offset; left = left.subspan(1))
        records[left.front()].kind = Reread::Kind::gone;
    };
    auto const reached = reader_->read(where, first, places[stretch.back()].offset + 1, [&](auto const& message) {
      // The log ends before: reading began anew at its beginning.
      if (message.offset < first || left.empty()) return false;
      gone_before(message.offset);
      auto const& place = places[left.front()];
      if (message.offset != place.offset) return true;
      auto const same =
          lane_of(place.salt, message) == place.key_hash && kafka::timestamp_ms(message) == place.timestamp_ms;
      records[left.front()] = {Reread::Kind::gone, {}};
      if (same) records[left.front()] = {Reread::Kind::read, ReceivedRecord::copy_of(message)};
      left = left.subspan(1);
      return true;
    });
    if (reached > first) gone_before(reached);
    if (left.empty()) {
      ends_.erase(where);
    } else if (ended_for_long(where)) {
      gone_before(places[left.back()].offset + 1);
    }
  } catch (kafka::Error const& error) {
    log::warn("records could not be read again yet",
              {{"topic", where.topic}, {"partition", where.partition}, {"reason", error.what()}});
    left_alone_until_[where] = Clock::now() + left_alone;
  }
}

bool RecordLoader::ended_for_long(kafka::TopicPartition const& where) {
  auto const since = ends_.try_emplace(where, Clock::now()).first->second;
  return Clock::now() - since > most_behind;
}

}  // namespace omnibus::engine
