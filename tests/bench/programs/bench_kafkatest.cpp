#include "drain.hpp"
#include "engine_run.hpp"
#include "fill.hpp"
#include "kafka/admin.hpp"
#include "tests/common/kafka/test_cluster.hpp"

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::bench;

namespace {

EngineRun fill_and_run(FillSettings settings, EngineWork work, std::size_t loops = 1) {
  auto& cluster = test::TestCluster::instance();
  settings.brokers = cluster.settings().brokers;
  settings.topic = cluster.topic(4);
  fill(settings, {});
  EngineRunSettings run;
  run.brokers = settings.brokers;
  run.topic = settings.topic;
  run.group = cluster.unique("bench");
  run.records = settings.records;
  run.work = work;
  run.loops = loops;
  return run_engine(run);
}

}  // namespace

TEST_CASE("every event of a topic is handled once and in order, and committed, on one loop and on two") {
  for (auto const loops : {1UL, 2UL}) {
    FillSettings settings;
    settings.records = 5000;
    settings.keys = Keys::zipf;
    settings.key_count = 500;
    auto const run = fill_and_run(settings, loops == 1 ? EngineWork::none : EngineWork::parse, loops);
    CHECK(run.committed);
    CHECK(run.records == 5000);
    CHECK(run.order.disorder == 0);
    CHECK(run.order.duplicates == 0);
    CHECK(run.order.missing == 0);
    CHECK(run.commits > 0);
    CHECK(run.rate > 0);
    CHECK(run.steady_rate > 0);
  }
}

TEST_CASE("the order check finds what is wrong with a topic") {
  FillSettings settings;
  settings.records = 2000;
  settings.keys = Keys::uniform;
  settings.key_count = 100;
  settings.swapped = 11;
  settings.repeated = 5;
  settings.omitted = 3;
  auto const run = fill_and_run(settings, EngineWork::parse);
  CHECK(run.committed);
  CHECK(run.order.disorder == 11 + 3);
  CHECK(run.order.duplicates == 5);
  CHECK(run.order.missing == 3);
}

TEST_CASE("the drain reads every record, however little it holds ahead") {
  auto& cluster = test::TestCluster::instance();
  FillSettings filling;
  filling.brokers = cluster.settings().brokers;
  filling.topic = cluster.topic(4);
  filling.records = 5000;
  filling.keys = Keys::uniform;
  filling.key_count = 100;
  auto const filled = fill(filling, {});
  CHECK(filled.held == 5000);
  CHECK(filled.hottest == 50);
  for (auto const mib : {any_prefetch_mib, 1}) {
    DrainSettings settings;
    settings.brokers = filling.brokers;
    settings.topic = filling.topic;
    settings.group = cluster.unique("drain");
    settings.records = filling.records;
    settings.work = DrainWork::parse;
    settings.prefetch_mib = mib;
    CHECK(drain(settings).counted() == 5000);
  }
}
