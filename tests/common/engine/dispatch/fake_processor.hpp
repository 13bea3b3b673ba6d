/// A processor that a test steers by verbs.
#pragma once

#include "engine/dispatch/dispatcher.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <vector>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <doctest/doctest.h>

namespace omnibus::engine {

using Sequence = OffsetFrontier::Sequence;
using Sequences = std::vector<Sequence>;

constexpr Verdict done{Verdict::Kind::done};
constexpr Verdict outage{Verdict::Kind::outage};
constexpr Verdict hold{Verdict::Kind::hold};
constexpr Verdict abandon{Verdict::Kind::abandon};
constexpr Verdict defer{Verdict::Kind::defer, std::chrono::hours{1}};
constexpr Verdict retry_after(std::chrono::milliseconds delay) {
  return {Verdict::Kind::retry, delay};
}

/// Deliveries end as done as soon as they start, unless their key has answers queued or is told to wait.
class FakeProcessor : public Processor {
 public:
  explicit FakeProcessor(boost::asio::io_context& loop) : loop_{loop} {}

  /// The next attempts of a key end at once with these verdicts.
  void answer(std::uint64_t key, std::vector<Verdict> verdicts) {
    answers_[key].insert(answers_[key].end(), verdicts.begin(), verdicts.end());
  }
  /// What was queued by answer() for a key and not used yet is forgotten.
  void recover(std::uint64_t key) { answers_.erase(key); }
  /// From now on attempts of this key last until end() is called for them.
  void keep(std::uint64_t key) { kept_.insert(key); }
  /// What runs of a kept key ends so; later attempts are kept again.
  void end(std::uint64_t key, Verdict verdict = done) {
    auto& running = running_.at(key);
    running.verdict = verdict;
    running.timer.cancel();
  }

  /// From now on each key takes a route of its own.
  void route_by_key() { routed_ = true; }

  bool runs(std::uint64_t key) const { return running_.contains(key); }
  Sequences const& started() const { return started_; }
  Sequences const& finished() const { return finished_; }
  Sequences const& given_back() const { return given_back_; }
  Sequences const& put_away() const { return put_away_; }
  std::size_t most_at_once() const { return most_at_once_; }

 private:
  struct Running {
    boost::asio::steady_timer timer;
    Verdict verdict{Verdict::Kind::abandon};
  };

  Owner owner_of(Delivery const& delivery) override {
    return {0, routed_ ? static_cast<std::uint32_t>(delivery.key_hash) : 0};
  }

  Task<Verdict> process(Delivery& delivery) override {
    started_.push_back(delivery.sequence);
    CHECK(delivery.partition->open);
    CHECK_FALSE(delivery.partition->lost);
    most_at_once_ = std::max(most_at_once_, running_.size() + 1);
    auto& answers = answers_[delivery.key_hash];
    if (!answers.empty()) {
      auto const verdict = answers.front();
      answers.pop_front();
      co_return verdict;
    }
    if (!kept_.contains(delivery.key_hash)) co_return done;
    auto const [running, alone] = running_.try_emplace(delivery.key_hash, Running{boost::asio::steady_timer{loop_}});
    REQUIRE(alone);
    running->second.timer.expires_at(Clock::time_point::max());
    auto wait = running->second.timer.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    co_await std::move(wait);
    auto const verdict = running->second.verdict;
    running_.erase(delivery.key_hash);
    co_return verdict;
  }

  void left(Delivery& delivery, bool finished) override {
    (finished ? finished_ : given_back_).push_back(delivery.sequence);
    if (finished) delivery.partition->frontier.finish(delivery.sequence);
  }

  void put_away(std::span<Delivery* const> lane, std::chrono::milliseconds delay) override {
    CHECK(delay == defer.delay);
    for (auto const* const each : lane) put_away_.push_back(each->sequence);
  }

  boost::asio::io_context& loop_;
  std::map<std::uint64_t, std::deque<Verdict>> answers_;
  std::set<std::uint64_t> kept_;
  std::map<std::uint64_t, Running> running_;
  Sequences started_;
  Sequences finished_;
  Sequences given_back_;
  Sequences put_away_;
  std::size_t most_at_once_ = 0;
  bool routed_ = false;
};

}  // namespace omnibus::engine
