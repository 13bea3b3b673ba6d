#include "workers/gdpr/handler.hpp"

#include <chrono>
#include <string>
#include <utility>

namespace omnibus::gdpr {
namespace {

constexpr std::string_view replayed = "requests and retention are not replayed";
constexpr std::chrono::seconds longest_wait{5};

/// The beginning of the names of a request's steps in the audit log.
std::string action_of(std::string_view kind, std::string_view step) {
  return std::string{kind == deletion_kind ? "erasure." : "export."}.append(step);
}

GdprStores make_stores(Resources& resources, GdprSettings const& settings) {
  check_settings(settings);
  KeyMaker keys{settings.profile_key_secret.reveal(), settings.profile_key_secret_previous.reveal()};
  return {std::make_unique<PostgresRequests>(), std::make_unique<PostgresAuditLog>(),
          std::make_unique<PostgresErasure>(std::move(keys)), std::make_unique<KafkaTopicLog>(resources),
          std::make_unique<StoredArchives>(key_secrets(settings),
                                           privacy::ArchiveKeys{resources.master, settings.profile_key_secret.reveal()},
                                           std::make_unique<KafkaPersonLog>(resources.kafka), resources.sealer)};
}

}  // namespace

GdprHandler::GdprHandler(Resources& resources, GdprSettings const& settings)
    : GdprHandler{make_stores(resources, settings), resources.place.part_of(Erasure::at_once)} {}

GdprHandler::GdprHandler(GdprStores stores, std::size_t erasures)
    : stores_{std::move(stores)},
      erasure_{*stores_.requests, *stores_.audit, *stores_.erasure, *stores_.log, erasures},
      export_{*stores_.requests, *stores_.audit, *stores_.archives},
      retention_{} {}

Task<bool> GdprHandler::open(Context& context, GdprRequest const& request, std::string_view kind) {
  auto receiving = context.checkpoint("received", [&](UnitOfWork& unit) {
    if (!stores_.requests->receive(unit, request, kind))
      throw Failure::permanent("the domain is no tenant, or the request's id or person is another's", "unknown_tenant");
    stores_.audit->record(unit, audit_of(request, action_of(kind, "received"), "started"));
  });
  co_await std::move(receiving);
  auto looking = stores_.requests->look(context, request);
  auto const state = co_await std::move(looking);
  if (state.status == "completed") {  // asked for by two events
    auto ending = context.commit([](UnitOfWork&) {});
    co_await std::move(ending);
    co_return false;
  }
  if (state.waits_for) throw Failure::deferred("it waits for the request " + *state.waits_for, {}, longest_wait);
  co_return true;
}

Task<> GdprHandler::handle(Context& context, GdprExportRequested const& request) {
  if (context.replaying()) co_return context.pass_over(replayed);
  auto opening = open(context, request, export_kind);
  if (!co_await std::move(opening)) co_return;
  auto running = export_.run(context, request);
  co_await std::move(running);
}

Task<> GdprHandler::handle(Context& context, GdprDeletionRequested const& request) {
  if (context.replaying()) co_return context.pass_over(replayed);
  auto opening = open(context, request, deletion_kind);
  if (!co_await std::move(opening)) co_return;
  auto running = erasure_.run(context, request);
  co_await std::move(running);
}

Task<> GdprHandler::handle(Context& context, TickMonitor const&) {
  if (context.replaying()) co_return context.pass_over(replayed);
  auto asking = stores_.requests->awaits_clear_log(context);
  std::string starts;
  if (co_await std::move(asking)) {
    auto reading = stores_.log->starts();
    starts = co_await std::move(reading);
  }
  auto committing = context.commit([&](UnitOfWork& unit) {
    if (!starts.empty())
      for (auto const& cleared : stores_.requests->confirm_clear(unit, starts))
        stores_.audit->record(unit, {cleared.domain,
                                     action_of(deletion_kind, "log-cleared"),
                                     worker_actor,
                                     "done",
                                     cleared.request_id,
                                     cleared.subject_key,
                                     {}});
    for (auto const& request : stores_.requests->release(unit)) {
      unit.publish(request, request.subject_key);
      stores_.audit->record(unit, audit_of(request, "erasure.released", "started"));
    }
  });
  co_await std::move(committing);
}

Task<> GdprHandler::handle(Context& context, TickPruneMessages const& tick) {
  if (context.replaying()) co_return context.pass_over(replayed);
  auto running = retention_.run(context, tick);
  co_await std::move(running);
}

Task<> GdprHandler::handle(Context& context, TickPruneGdprAudit const& tick) {
  if (context.replaying()) co_return context.pass_over(replayed);
  auto running = retention_.run(context, tick);
  co_await std::move(running);
}

Task<> GdprHandler::handle(Context& context, TickPrunePipeline const& tick) {
  if (context.replaying()) co_return context.pass_over(replayed);
  auto running = retention_.run(context, tick);
  co_await std::move(running);
}

void GdprHandler::gave_up(Context&, GdprExportRequested const& request, Failure const& failure, UnitOfWork& unit) {
  fail(request, export_kind, failure, unit);
}

void GdprHandler::gave_up(Context&, GdprDeletionRequested const& request, Failure const& failure, UnitOfWork& unit) {
  fail(request, deletion_kind, failure, unit);
}

void GdprHandler::fail(GdprRequest const& request, std::string_view kind, Failure const& failure, UnitOfWork& unit) {
  if (!stores_.requests->receive(unit, request, kind)) return;  // its first step may be what failed
  stores_.requests->fail(unit, request.request_id, failure.error_class());
  stores_.audit->record(unit, audit_of(request, action_of(kind, "failed"), "failed"));
}

}  // namespace omnibus::gdpr
