#include "engine/dispatch/batch_dispatcher.hpp"

#include <algorithm>
#include <map>
#include <random>
#include <vector>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::engine;

namespace {

class NoItems : public BatchItems {
 public:
  bool add(Context&) override { return true; }
  std::size_t size() const override { return 0; }
  void clear() override {}
  void apply(pqxx::transaction_base&, std::span<std::size_t const>) override {}
};

using Sequences = std::vector<OffsetFrontier::Sequence>;

/// Commits last until a test ends them.
class FakeBatches : public BatchProcessor {
 public:
  explicit FakeBatches(boost::asio::io_context& loop) : loop_{loop} {}

  /// Ends one of the commits that run, by their age. What is of `lost` is not finished.
  void end(std::size_t which, Partition const* lost) {
    running_[which]->lost = lost;
    running_[which]->timer.cancel();
  }
  std::size_t commits() const { return running_.size(); }
  std::vector<Sequences> batches;
  std::map<Partition const*, Sequences> finished;
  std::map<Partition const*, Sequences> given_back;

 private:
  struct Commit {
    explicit Commit(boost::asio::io_context& loop) : timer{loop} {}
    boost::asio::steady_timer timer;
    Partition const* lost = nullptr;
  };

  void decode(Batch& batch, Delivery& delivery) override {
    CHECK(delivery.partition->open);
    BatchEntry entry;
    entry.delivery = &delivery;
    batch.entries.push_back(std::move(entry));
  }
  Task<> commit(Batch& batch) override {
    Commit commit{loop_};
    running_.push_back(&commit);
    Sequences sequences;
    for (auto const& entry : batch.entries) sequences.push_back(entry.delivery->sequence);
    batches.push_back(sequences);
    commit.timer.expires_at(Clock::time_point::max());
    auto wait = commit.timer.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    co_await std::move(wait);
    for (auto& entry : batch.entries) entry.finished = entry.delivery->partition != commit.lost;
    std::erase(running_, &commit);
  }
  void left(Delivery& delivery, bool is_finished) override {
    (is_finished ? finished : given_back)[delivery.partition].push_back(delivery.sequence);
    if (is_finished) delivery.partition->frontier.finish(delivery.sequence);
  }

  boost::asio::io_context& loop_;
  std::vector<Commit*> running_;
};

std::vector<std::unique_ptr<BatchItems>> items(std::size_t count) {
  std::vector<std::unique_ptr<BatchItems>> all;
  while (all.size() < count) all.push_back(std::make_unique<NoItems>());
  return all;
}

struct Bench {
  explicit Bench(std::size_t most, std::size_t at_once = 1)
      : processor{loop}, dispatch{loop, most, items(at_once + 1), processor} {
    for (auto* const partition : {&one, &other}) partition->open = true;
  }

  void submit(Partition& partition, int count) {
    for (int i = 0; i < count; ++i) {
      auto& delivery = deliveries.take();
      delivery.partition = &partition;
      delivery.sequence = partition.frontier.begin(static_cast<std::int64_t>(partition.frontier.end()));
      dispatch.submit(delivery);
    }
    dispatch.pump();
    settle();
  }
  void settle() {
    loop.restart();
    loop.poll();
  }
  void end(Partition const* lost = nullptr, std::size_t which = 0) {
    REQUIRE(processor.commits() > which);
    processor.end(which, lost);
    settle();
  }

  boost::asio::io_context loop;
  FakeBatches processor;
  DeliveryPool deliveries;
  Partition one;
  Partition other;
  BatchDispatcher dispatch;
};

Sequences range(std::size_t from, std::size_t to) {
  Sequences sequences;
  for (auto sequence = from; sequence < to; ++sequence) sequences.push_back(sequence);
  return sequences;
}

}  // namespace

TEST_CASE("what comes while a batch is committed makes the next one, in order and never more than the most") {
  Bench bench{10};
  bench.submit(bench.one, 3);
  bench.submit(bench.one, 4);
  bench.submit(bench.one, 11);
  CHECK(bench.dispatch.in_flight() == 3);
  CHECK(bench.dispatch.queued() == 15);
  for (int i = 0; i < 3; ++i) bench.end();
  CHECK(bench.processor.batches == std::vector<Sequences>{range(0, 3), range(3, 13), range(13, 18)});
  CHECK(bench.processor.finished[&bench.one] == range(0, 18));
  CHECK(bench.one.alive == 0);
  CHECK(bench.dispatch.in_flight() + bench.dispatch.queued() == 0);
}

TEST_CASE("a partition that is drained finishes what is being committed and gives back the rest; others go on") {
  Bench bench{4};
  bench.submit(bench.one, 4);
  bench.submit(bench.one, 3);  // decoded
  bench.submit(bench.other, 5);
  bench.dispatch.drain(bench.one);
  CHECK(bench.processor.given_back[&bench.one] == range(4, 7));
  bench.submit(bench.one, 1);
  CHECK(bench.processor.given_back[&bench.one] == range(4, 8));
  bench.end();
  CHECK(bench.processor.finished[&bench.one] == range(0, 4));
  CHECK(bench.one.alive == 0);
  while (bench.processor.commits() > 0) bench.end();
  CHECK(bench.processor.finished[&bench.other] == range(0, 5));
  CHECK(bench.processor.given_back[&bench.other].empty());
}

TEST_CASE("what could not be committed takes along everything behind it of its partition, and nothing else") {
  Bench bench{6};
  bench.submit(bench.one, 2);
  bench.submit(bench.other, 2);
  bench.submit(bench.one, 5);
  bench.end(&bench.one);
  CHECK(bench.processor.given_back[&bench.one].size() == 7);
  while (bench.processor.commits() > 0) bench.end();
  CHECK(bench.processor.finished[&bench.one].empty());
  CHECK(bench.processor.finished[&bench.other] == range(0, 2));
  CHECK_FALSE(bench.one.frontier.position().has_value());
}

TEST_CASE("a partition that is closed holds what was decoded and what came, and goes on in order once it is opened") {
  Bench bench{3};
  bench.submit(bench.one, 1);
  bench.submit(bench.one, 5);
  bench.dispatch.close(bench.one);
  bench.submit(bench.one, 2);
  bench.end();
  CHECK(bench.processor.commits() == 0);
  CHECK(bench.processor.finished[&bench.one] == range(0, 1));
  bench.dispatch.open(bench.one);
  bench.settle();
  while (bench.processor.commits() > 0) bench.end();
  CHECK(bench.processor.finished[&bench.one] == range(0, 8));
}

TEST_CASE("another batch is committed beside the first once it is full, and they end in any order") {
  Bench bench{4, 3};
  bench.submit(bench.one, 2);
  bench.submit(bench.one, 3);
  CHECK(bench.processor.batches == std::vector<Sequences>{range(0, 2)});
  bench.submit(bench.one, 10);
  CHECK(bench.processor.batches == std::vector<Sequences>{range(0, 2), range(2, 6), range(6, 10)});
  CHECK(bench.dispatch.in_flight() == 10);
  CHECK(bench.dispatch.queued() == 5);
  bench.end(nullptr, 1);
  CHECK(bench.processor.finished[&bench.one] == range(2, 6));
  CHECK_FALSE(bench.one.frontier.position().has_value());
  CHECK(bench.processor.batches.back() == range(10, 14));
  bench.end();
  CHECK(bench.one.frontier.position() == 6);
  CHECK(bench.processor.batches.size() == 4);  // the last one waits for company
  bench.end();
  bench.end();
  CHECK(bench.processor.batches.back() == range(14, 15));
  bench.end();
  CHECK(bench.one.frontier.position() == 15);
  CHECK(bench.dispatch.in_flight() + bench.dispatch.queued() + bench.one.alive == 0);
}

TEST_CASE(
    "of a partition that is given up no offset is committed past what was not finished, whatever ends beside it") {
  Bench bench{3, 2};
  bench.submit(bench.one, 8);
  bench.end(&bench.one);
  CHECK(bench.processor.commits() == 1);
  bench.end();
  CHECK(bench.processor.finished[&bench.one] == range(3, 6));
  CHECK(bench.processor.given_back[&bench.one].size() == 5);
  CHECK_FALSE(bench.one.frontier.position().has_value());
  CHECK(bench.one.alive == 0);
}

TEST_CASE("under any schedule of batches beside each other each event is finished or given back once") {
  std::mt19937 random{11};
  for (int round = 0; round < 300; ++round) {
    Bench bench{1 + random() % 5, 2 + random() % 3};
    std::size_t submitted = 0;
    for (int step = 0; step < 60; ++step) {
      auto const commits = bench.processor.commits();
      switch (random() % 8) {
        case 0:
          if (!bench.one.draining()) bench.dispatch.close(bench.one);
          break;
        case 1:
          if (!bench.one.draining()) bench.dispatch.open(bench.one);
          break;
        case 2:
        case 3:
        case 4: {
          auto const count = static_cast<int>(random() % 9);
          bench.submit(bench.one, count);
          submitted += static_cast<std::size_t>(count);
          break;
        }
        default:
          if (commits > 0) bench.end(random() % 20 == 0 ? &bench.one : nullptr, random() % commits);
      }
      bench.settle();
    }
    if (!bench.one.draining()) bench.dispatch.open(bench.one);
    bench.settle();
    while (bench.processor.commits() > 0) bench.end(nullptr, bench.processor.commits() - 1);
    auto all = bench.processor.finished[&bench.one];
    auto const& given_back = bench.processor.given_back[&bench.one];
    if (bench.one.draining()) {
      REQUIRE(!given_back.empty());
      CHECK(bench.one.frontier.position().value_or(0) <= static_cast<std::int64_t>(std::ranges::min(given_back)));
    }
    all.insert(all.end(), given_back.begin(), given_back.end());
    std::ranges::sort(all);
    CHECK(all == range(0, submitted));
    CHECK(bench.one.alive + bench.dispatch.in_flight() + bench.dispatch.queued() == 0);
  }
}

TEST_CASE("under any schedule each partition's events are finished in order, each once, without gaps") {
  std::mt19937 random{5};
  for (int round = 0; round < 300; ++round) {
    Bench bench{1 + random() % 7};
    std::size_t submitted[2] = {0, 0};
    for (int step = 0; step < 60; ++step) {
      auto const which = random() % 2;
      auto& partition = which == 0 ? bench.one : bench.other;
      switch (random() % 8) {
        case 0:
          if (!partition.draining()) bench.dispatch.close(partition);
          break;
        case 1:
          if (!partition.draining()) bench.dispatch.open(partition);
          break;
        case 2:
          if (random() % 10 == 0) bench.dispatch.drain(partition);
          break;
        case 3:
        case 4: {
          auto const count = static_cast<int>(random() % 6);
          bench.submit(partition, count);
          submitted[which] += static_cast<std::size_t>(count);
          break;
        }
        default:
          if (bench.processor.commits() > 0) bench.end();
      }
      bench.settle();
    }
    for (auto* const partition : {&bench.one, &bench.other})
      if (!partition->draining()) bench.dispatch.open(*partition);
    bench.settle();
    while (bench.processor.commits() > 0) bench.end();
    for (std::size_t which = 0; which < 2; ++which) {
      auto const& partition = which == 0 ? bench.one : bench.other;
      auto const& finished = bench.processor.finished[&partition];
      CHECK(finished == range(0, finished.size()));
      CHECK(finished.size() + bench.processor.given_back[&partition].size() == submitted[which]);
      if (!partition.draining()) CHECK(finished.size() == submitted[which]);
      CHECK(partition.alive == 0);
    }
  }
}
