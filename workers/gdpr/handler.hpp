/// Requests of people about their data, and retention.
#pragma once

#include "events/gdpr.hpp"
#include "events/tick.hpp"
#include "handler/handler.hpp"
#include "workers/gdpr/config.hpp"
#include "workers/gdpr/erasure/erasure.hpp"
#include "workers/gdpr/export/export.hpp"
#include "workers/gdpr/requests/audit_log.hpp"
#include "workers/gdpr/requests/request_store.hpp"
#include "workers/gdpr/retention/retention.hpp"

#include <memory>
#include <string_view>

namespace omnibus::gdpr {

/// What the handler reads and writes.
struct GdprStores {
  std::unique_ptr<RequestStore> requests;
  std::unique_ptr<AuditLog> audit;
  std::unique_ptr<ErasureStore> erasure;
  std::unique_ptr<TopicLog> log;
  std::unique_ptr<ArchiveMaker> archives;
};

/// Notes requests and keeps their order: a deletion waits for exports of the same person, and a legal hold sets it
/// aside until the hold ends. What is done then is in erasure/, export/ and retention/. A request that cannot be
/// finished ends as `failed`. A replay does nothing.
class GdprHandler {
 public:
  static constexpr std::string_view name = "gdpr";
  static constexpr std::string_view summary = "Exports and erases people's data, and deletes what is too old.";
  using Settings = GdprSettings;
  using Events = EventList<GdprExportRequested, GdprDeletionRequested, TickMonitor, TickPruneMessages,
                           TickPruneGdprAudit, TickPrunePipeline>;

  /// @throws std::invalid_argument that names the setting that is missing.
  GdprHandler(Resources& resources, GdprSettings const& settings);
  /// @param erasures that go on at once
  explicit GdprHandler(GdprStores stores, std::size_t erasures = Erasure::at_once);

  Task<> handle(Context& context, GdprExportRequested const& request);
  Task<> handle(Context& context, GdprDeletionRequested const& request);
  /// Takes up deletions whose legal hold has ended, and confirms those that the log holds nothing of any more.
  Task<> handle(Context& context, TickMonitor const& tick);
  Task<> handle(Context& context, TickPruneMessages const& tick);
  Task<> handle(Context& context, TickPruneGdprAudit const& tick);
  Task<> handle(Context& context, TickPrunePipeline const& tick);
  void gave_up(Context& context, GdprExportRequested const& request, Failure const& failure, UnitOfWork& unit);
  void gave_up(Context& context, GdprDeletionRequested const& request, Failure const& failure, UnitOfWork& unit);

 private:
  /// Notes the request. @return whether there is something to do now. @throws Failure (deferred) while it must wait.
  Task<bool> open(Context& context, GdprRequest const& request, std::string_view kind);
  void fail(GdprRequest const& request, std::string_view kind, Failure const& failure, UnitOfWork& unit);

  GdprStores const stores_;
  Erasure erasure_;
  Export export_;
  Retention retention_;
};

}  // namespace omnibus::gdpr
