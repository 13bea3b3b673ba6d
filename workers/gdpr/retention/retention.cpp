#include "workers/gdpr/retention/retention.hpp"

#include "events/gdpr.hpp"
#include "handler/failure.hpp"
#include "kafka/topics.hpp"
#include "observability/log.hpp"

#include <chrono>
#include <string>
#include <utility>

namespace omnibus::gdpr {
namespace {

using retention::PruneCount;
using retention::PruneReport;
using retention::PruneState;

constexpr auto worker = "worker:gdpr";
constexpr std::string_view audit_run = "gdpr-audit";
constexpr std::string_view held_rows = "held";
/// Of topics whose retention is not limited: answers and erasures' positions are kept for ever.
constexpr std::chrono::hours unlimited{24 * 36'500};

void tell(Context& context, retention::PruneTask const& task, PruneReport const& report) {
  if (report.state == PruneState::stopped)
    return log::error(context.log_fields(),
                      "a run of retention was stopped: check the database's clock, then omnibus gdpr prune RUN --force",
                      {{"run", task.name}, {"reason", report.reason}, {"older_than", report.cutoff}});
  if (report.state == PruneState::finished && report.done > 0)
    log::info(context.log_fields(), "old rows are deleted",
              {{"run", task.name}, {"rows", report.done}, {"held", report.held}});
}

/// A run's counts of one tenant, which begin at `first`. @return the place behind them
template <class Iterator>
Iterator publish_tenant(UnitOfWork& unit, Iterator first, Iterator last) {
  auto const& head = *first;
  GdprAuditPruned pruned{head.domain, head.cutoff};
  GdprAuditRecorded recorded{head.domain, "retention." + head.name, worker, "done", {}, {}, {}};
  for (; first != last && first->run == head.run && first->domain == head.domain; ++first) {
    (first->table == held_rows ? pruned.held : pruned.rows) += first->rows;
    recorded.counts.push_back({first->table, first->rows});
  }
  if (head.name == audit_run) {
    unit.publish(pruned, pruned.domain);
  } else {
    unit.publish(recorded, recorded.domain);
  }
  return first;
}

}  // namespace

Task<> Retention::run(Context& context, TickPruneMessages const&) {
  std::vector tasks{retention::messages_task()};
  auto pruning = prune(context, std::move(tasks));
  co_await std::move(pruning);
}

Task<> Retention::run(Context& context, TickPruneGdprAudit const&) {
  std::vector tasks{retention::audit_task()};
  auto pruning = prune(context, std::move(tasks));
  co_await std::move(pruning);
}

Task<> Retention::run(Context& context, TickPrunePipeline const&) {
  auto const longest = kafka::TopicCatalog::built_in().longest_retention();
  auto pruning = prune(context, retention::pipeline_tasks(longest.value_or(unlimited)));
  co_await std::move(pruning);
}

Task<> Retention::prune(Context& context, std::vector<retention::PruneTask> tasks) {
  for (auto const& task : tasks) {
    PruneReport report;
    do {
      if (!context.still_wanted()) throw Failure::deferred("another process goes on with the run", {});
      auto pruning = store_->prune(context, task);
      report = co_await std::move(pruning);
    } while (report.state == PruneState::unfinished);
    tell(context, task, report);
  }
  auto committing = context.commit([&](UnitOfWork& unit) { announce(unit); });
  co_await std::move(committing);
}

void Retention::announce(UnitOfWork& unit) {
  auto const counts = store_->take_unannounced(unit);
  for (auto each = counts.begin(); each != counts.end();) each = publish_tenant(unit, each, counts.end());
}

}  // namespace omnibus::gdpr
