/// Randomised schedules for the dispatcher: arrivals, attempts of random length and outcome, partitions that come and
/// go, and a simple model of what the dispatcher promises.
#pragma once

#include "engine/dispatch/dispatcher.hpp"

#include <algorithm>
#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace omnibus::engine::test {

using namespace std::chrono_literals;

/// How a schedule is played; chances in percent.
struct Play {
  std::size_t deliveries = 2'000;
  std::size_t partitions = 3;
  std::uint64_t keys = 40;
  std::size_t max_in_flight = 16;
  unsigned retry = 5, outage = 0, hold = 0, abandon = 0;
  unsigned drain = 0, drop = 0, opens_late = 0;  // per batch of arrivals
  bool keys_cross_partitions = false;            // as where hashes collide
  std::uint64_t tenants = 1;
  std::size_t max_bytes = std::numeric_limits<std::size_t>::max();
  std::uint32_t largest_record = 0;
  unsigned gone = 0, unreadable = 0;  // of records that were dropped from memory
};

/// Breaks that the model has seen, each as one sentence.
class Model {
 public:
  void submitted(Delivery const& delivery) {
    all_[&delivery] = {};
    lanes_[{delivery.partition, delivery.key_hash}].push_back(&delivery);
    open_[delivery.partition].insert(delivery.sequence);
  }

  void started(Delivery const& delivery, std::size_t max_in_flight) {
    auto& entry = all_.at(&delivery);
    expect(entry.state == State::queued, "a delivery was started that runs or has left");
    entry.state = State::running;
    auto const& partition = *delivery.partition;
    expect(partition.open, "a delivery of a partition that is not open was started");
    expect(delivery.residence == Residence::loaded, "a delivery was started without its record");
    expect(!partition.lost, "a delivery of a lost partition was started");
    expect(delivery.sequence < partition.drain_limit, "a drained partition started something new");
    expect(running_keys_.insert(delivery.key_hash).second, "two deliveries of one key ran at once");
    expect(running_keys_.size() <= max_in_flight, "more than max_in_flight ran at once");
    expect(lanes_.at({delivery.partition, delivery.key_hash}).front() == &delivery,
           "a delivery overtook an earlier one of its key");
    expect(!broken_lanes_.contains({delivery.partition, delivery.key_hash}),
           "a delivery was started behind one of its key that was given back");
    if (paused_) expect(std::exchange(probing_, true) == false, "a second probe was started during an outage");
  }

  void missed(Delivery const& delivery) { all_.at(&delivery).done = true; }

  void ended(Delivery const& delivery, Verdict verdict) {
    auto& entry = all_.at(&delivery);
    entry.state = State::queued;
    entry.done = verdict.kind == Verdict::Kind::done;
    running_keys_.erase(delivery.key_hash);
    paused_ = verdict.kind == Verdict::Kind::outage;
    probing_ = false;
  }

  void left(Delivery const& delivery, bool finished) {
    auto& entry = all_.at(&delivery);
    auto& partition = *delivery.partition;
    expect(entry.state == State::queued, "a delivery left twice or while it ran");
    entry.state = State::left;
    expect(finished == entry.done, "a delivery was called finished that was not, or the other way round");
    auto const where = std::pair{delivery.partition, delivery.key_hash};
    auto& lane = lanes_.at(where);
    expect(lane.front() == &delivery, "a delivery left before an earlier one of its key");
    lane.pop_front();
    if (!finished) {
      expect(partition.draining() || partition.lost, "a delivery of an owned partition was given back");
      broken_lanes_.insert(where);
    }
    ++left_;
    if (!finished) return;
    partition.frontier.finish(delivery.sequence);
    auto& open = open_.at(delivery.partition);
    open.erase(delivery.sequence);
    auto const first_open = open.empty() ? partition.frontier.end() : *open.begin();
    expect(partition.frontier.base() == first_open, "the frontier is not at the first unfinished delivery");
  }

  void expect(bool holds, char const* otherwise) {
    if (!holds) ++breaks_[otherwise];
  }
  std::map<std::string, int> const& breaks() const { return breaks_; }
  std::size_t left() const { return left_; }

 private:
  enum class State { queued, running, left };
  struct Entry {
    State state = State::queued;
    bool done = false;
  };
  using Lane = std::pair<Partition const*, std::uint64_t>;

  std::unordered_map<Delivery const*, Entry> all_;
  std::map<Lane, std::deque<Delivery const*>> lanes_;
  std::set<Lane> broken_lanes_;
  std::map<Partition const*, std::set<OffsetFrontier::Sequence>> open_;
  std::set<std::uint64_t> running_keys_;
  std::map<std::string, int> breaks_;
  std::size_t left_ = 0;
  bool paused_ = false;
  bool probing_ = false;
};

/// Plays one schedule: a stream of arrivals, attempts of random length and outcome, partitions that come and go.
class Schedule : Processor {
 public:
  Schedule(Play play, std::uint64_t seed) : play_{play}, random_{seed} {
    for (std::size_t i = 0; i < play.partitions; ++i) owned_.push_back(assign());
  }

  void run() {
    boost::asio::co_spawn(loop_, arrivals(), boost::asio::detached);
    if (play_.unreadable > 0) boost::asio::co_spawn(loop_, pumping(), boost::asio::detached);
    loop_.run_for(60s);
    model_.expect(loop_.stopped(), "the loop still had work when everything should have been done");
    model_.expect(model_.left() == deliveries_.size(), "a delivery never left");
    model_.expect(deliveries_.size() == play_.deliveries, "the schedule was not played to its end");
    model_.expect(dispatcher_.queued() == 0 && dispatcher_.in_flight() == 0 && dispatcher_.waiting_for_retry() == 0,
                  "the dispatcher counts something that is not there");
    for (auto const& partition : partitions_)
      model_.expect(partition->alive == 0 && partition->held.empty(), "a partition counts something that is not there");
  }
  std::map<std::string, int> const& breaks() const { return model_.breaks(); }
  std::size_t runs_read() const { return runs_read_; }

 private:
  bool chance(unsigned percent) { return random_() % 100 < percent; }
  std::chrono::microseconds moment() { return std::chrono::microseconds{random_() % 1'500}; }

  Partition* assign() {
    auto& partition = *partitions_.emplace_back(std::make_unique<Partition>());
    if (chance(play_.opens_late))
      open_later(partition);
    else
      partition.open = true;
    return &partition;
  }
  void open_later(Partition& partition) {
    partition.open = false;
    auto timer = std::make_shared<boost::asio::steady_timer>(loop_, moment());
    timer->async_wait([this, timer, &partition](boost::system::error_code const&) {
      if (partition.wanted()) dispatcher_.open(partition);
    });
  }

  Task<> arrivals() {
    boost::asio::steady_timer timer{loop_};
    while (deliveries_.size() < play_.deliveries) {
      for (auto batch = random_() % 100; batch > 0 && deliveries_.size() < play_.deliveries; --batch) arrive();
      dispatcher_.pump();
      for (auto& partition : owned_) come_and_go(partition);
      timer.expires_after(chance(50) ? 0us : moment());
      auto wait = timer.async_wait(boost::asio::use_awaitable);
      co_await std::move(wait);
    }
  }

  void arrive() {
    auto const slot = random_() % owned_.size();
    auto& partition = *owned_[slot];
    if (partition.draining()) {
      --play_.deliveries;  // the engine ignores what still arrives of it
      return;
    }
    auto& delivery = deliveries_.emplace_back();
    delivery.partition = &partition;
    // Half of all have one of three keys.
    auto const key = random_() % (chance(50) ? 3 : play_.keys);
    delivery.key_hash = play_.keys_cross_partitions ? key : key * play_.partitions + slot;
    delivery.tenant = key % play_.tenants;
    if (play_.largest_record > 0) delivery.bytes = static_cast<std::uint32_t>(random_() % play_.largest_record);
    delivery.sequence = partition.frontier.begin(next_offset_ += 1 + static_cast<std::int64_t>(random_() % 3));
    model_.submitted(delivery);
    dispatcher_.submit(delivery);
    weigh();
  }

  /// A tenant may hold one record when the budget is nearly used up.
  void weigh() {
    std::size_t loaded = 0;
    for (auto const& each : deliveries_)
      if (each.residence == Residence::loaded || each.residence == Residence::loading) loaded += each.bytes;
    model_.expect(loaded <= play_.max_bytes || loaded - play_.max_bytes <= play_.largest_record,
                  "more than the budget was held in memory");
  }

  Task<> pumping() {
    boost::asio::steady_timer timer{loop_};
    while (model_.left() < play_.deliveries) {
      dispatcher_.pump();
      timer.expires_after(50ms);
      auto wait = timer.async_wait(boost::asio::use_awaitable);
      co_await std::move(wait);
    }
  }

  void read_again(std::span<Delivery* const> run) override {
    ++runs_read_;
    auto const count = run.size();
    auto timer = std::make_shared<boost::asio::steady_timer>(loop_, moment());
    // One after the other, as the reader does.
    reading_ = std::max(reading_ + 1us, Clock::now() + moment());
    timer->expires_at(reading_);
    timer->async_wait([this, timer, count](boost::system::error_code const&) {
      std::vector<Reread> records(count);
      for (auto& each : records)
        each.kind = chance(play_.gone)         ? Reread::Kind::gone
                    : chance(play_.unreadable) ? Reread::Kind::failed
                                               : Reread::Kind::read;
      dispatcher_.reread(std::move(records));
    });
  }
  void missed(Delivery& delivery) override { model_.missed(delivery); }

  void come_and_go(Partition*& partition) {
    if (chance(play_.drain)) {
      dispatcher_.drain(*partition);
      if (chance(30)) dispatcher_.drain(*partition);
      if (chance(30)) dispatcher_.drop(*partition);
    } else if (chance(play_.drop)) {
      dispatcher_.drop(*partition);
    }
    if (partition->lost || (partition->draining() && chance(50))) partition = assign();
  }

  Verdict decide(Delivery& delivery) {
    // Three times unlucky at the most.
    if (delivery.attempts == 3) return {Verdict::Kind::done};
    auto const number = random_() % 100;
    auto limit = play_.retry;
    auto verdict = Verdict{Verdict::Kind::done};
    if (number < limit)
      verdict = {Verdict::Kind::retry, std::chrono::milliseconds{random_() % 4}};
    else if (number < (limit += play_.outage))
      verdict = {Verdict::Kind::outage};
    else if (number < (limit += play_.hold))
      verdict = {Verdict::Kind::hold};
    else if (number < (limit += play_.abandon))
      verdict = {Verdict::Kind::abandon};
    if (verdict.kind != Verdict::Kind::done) ++delivery.attempts;
    if (verdict.kind == Verdict::Kind::hold && chance(80)) open_later(*delivery.partition);
    return verdict;
  }

  Task<Verdict> process(Delivery& delivery) override {
    model_.started(delivery, play_.max_in_flight);
    auto const length = random_() % 10;
    if (length < 4) {
      auto pass = boost::asio::post(loop_, boost::asio::use_awaitable);
      co_await std::move(pass);
    } else if (length < 6) {
      boost::asio::steady_timer timer{loop_, moment()};
      auto wait = timer.async_wait(boost::asio::use_awaitable);
      co_await std::move(wait);
    }
    auto const verdict = decide(delivery);
    model_.ended(delivery, verdict);
    co_return verdict;
  }

  void left(Delivery& delivery, bool finished) override { model_.left(delivery, finished); }

  Play play_;
  std::mt19937_64 random_;
  boost::asio::io_context loop_{1};
  Model model_;
  std::deque<Delivery> deliveries_;
  std::vector<std::unique_ptr<Partition>> partitions_;
  std::vector<Partition*> owned_;
  std::int64_t next_offset_ = 0;
  std::size_t runs_read_ = 0;
  Clock::time_point reading_;
  Dispatcher dispatcher_{loop_,
                         {.max_in_flight = play_.max_in_flight,
                          .first_outage_delay = 1ms,
                          .longest_outage_delay = 3ms,
                          .max_bytes = play_.max_bytes},
                         *this};
};

}  // namespace omnibus::engine::test
