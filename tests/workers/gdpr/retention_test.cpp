// Retention at its ticks, without a database.
#include "workers/gdpr/retention/retention.hpp"

#include "events/gdpr.hpp"
#include "handler/fake_context.hpp"

#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::gdpr;
using retention::PruneCount;
using retention::PruneState;
using Kind = FakeContext::Kind;

namespace {

/// What the store was asked, and what it answers.
struct Runs {
  std::vector<std::string> asked;
  std::deque<PruneState> states;  ///< of the next calls; then finished
  std::vector<PruneCount> unannounced;
};

struct FakeRetention final : RetentionStore {
  explicit FakeRetention(Runs& kept) : runs{kept} {}
  Task<retention::PruneReport> prune(Context&, retention::PruneTask const& task) override {
    runs.asked.push_back(task.name);
    retention::PruneReport report;
    report.state = PruneState::finished;
    if (!runs.states.empty()) {
      report.state = runs.states.front();
      runs.states.pop_front();
    }
    co_return report;
  }
  std::vector<PruneCount> take_unannounced(UnitOfWork&) override { return std::exchange(runs.unannounced, {}); }
  Runs& runs;
};

struct TickedRetention {
  template <class TickEvent>
  Task<> handle(Context& context, TickEvent const& tick) {
    auto running = retention.run(context, tick);
    co_await std::move(running);
  }
  Retention retention;
};

struct Ticking {
  template <class TickEvent>
  auto tick() {
    return context.hand(handler, TickEvent{{"2026-11-29T02:00:00Z", 0}});
  }
  Runs runs;
  FakeContext context{"gdpr"};
  TickedRetention handler{Retention{std::make_unique<FakeRetention>(runs)}};
};

}  // namespace

TEST_CASE("each tick runs its tasks, each until its run has ended") {
  Ticking ticking;
  ticking.runs.states = {PruneState::unfinished, PruneState::unfinished, PruneState::finished};
  CHECK(ticking.tick<TickPruneMessages>() == Kind::handled);
  CHECK(ticking.runs.asked == std::vector<std::string>{"messages", "messages", "messages"});
  ticking.runs.asked.clear();
  CHECK(ticking.tick<TickPruneGdprAudit>() == Kind::handled);
  CHECK(ticking.runs.asked == std::vector<std::string>{"gdpr-audit"});
}

TEST_CASE("a run that is stopped or another's does not keep the others from running") {
  Ticking ticking;
  ticking.runs.states = {PruneState::stopped, PruneState::busy};
  CHECK(ticking.tick<TickPrunePipeline>() == Kind::handled);
  CHECK(ticking.runs.asked ==
        std::vector<std::string>{"idempotency-keys", "llm-responses", "parked-records", "refused-rows", "forgotten",
                                 "access-log", "erasures", "gdpr-archives", "deliveries", "delivery-receipts",
                                 "deferred-records", "delivery-actions", "spend", "replays", "maintenance-runs"});
}

TEST_CASE("what finished runs did is published once, for each tenant") {
  Ticking ticking;
  auto const count = [](std::string run, std::string name, std::string domain, std::string table, std::int64_t rows) {
    return PruneCount{std::move(run), std::move(name),       std::move(domain), std::move(table),
                      rows,           "2024-11-29T03:00:00Z"};
  };
  ticking.runs.unannounced = {
      count("1", "gdpr-audit", "a.example", "gdpr_audit_log", 7), count("1", "gdpr-audit", "a.example", "held", 2),
      count("1", "gdpr-audit", "b.example", "gdpr_audit_log", 1), count("2", "messages", "b.example", "messages", 5),
      count("2", "messages", "b.example", "profiles", 3)};
  CHECK(ticking.tick<TickPruneGdprAudit>() == Kind::handled);
  auto const pruned = ticking.context.published<GdprAuditPruned>();
  REQUIRE(pruned.size() == 2);
  CHECK(pruned[0].domain == "a.example");
  CHECK(pruned[0].rows == 7);
  CHECK(pruned[0].held == 2);
  CHECK(pruned[0].older_than == "2024-11-29T03:00:00Z");
  CHECK(pruned[1].rows == 1);
  auto const recorded = ticking.context.published<GdprAuditRecorded>();
  REQUIRE(recorded.size() == 1);
  CHECK(recorded[0].action == "retention.messages");
  CHECK(recorded[0].counts.size() == 2);
  CHECK_FALSE(validate(recorded[0]));
  CHECK_FALSE(validate(pruned[0]));
  CHECK(ticking.context.last_published_key() == "b.example");
}
