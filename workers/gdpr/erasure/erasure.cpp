#include "workers/gdpr/erasure/erasure.hpp"

#include "faults/failpoint.hpp"
#include "handler/failure.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <span>
#include <utility>

namespace omnibus::gdpr {
namespace {

/// An erasure locks its keys while it begins: not too many at a time.
constexpr std::size_t keys_at_once = 500;
constexpr std::chrono::milliseconds publishing_check{200};
constexpr std::chrono::milliseconds export_check{5'000};

/// Each batch is a step of its own: what it does can be repeated, and it counts what it has really changed.
std::string batch_name(std::string const& step) {
  return step + "-" + to_string(random_uuid());
}

std::set<std::string> named(GdprRequest const& request) {
  auto const keys = named_keys(request);
  return {keys.begin(), keys.end()};
}

/// The table of a step, which may be one of several.
std::string table_of(std::string const& step) {
  return step.substr(0, step.find('/'));
}

}  // namespace

Task<> Erasure::run(Context& context, GdprDeletionRequested const& request) {
  auto waiting = pace_.turn();
  auto const turn = co_await std::move(waiting);
  // An export may have begun while this request waited for its turn.
  auto looking = requests_.look(context, request);
  auto const state = co_await std::move(looking);
  if (state.waits_for)
    throw Failure::deferred("it waits for the request " + *state.waits_for, export_check, export_check);
  auto filling = fill_keys(context, request);
  co_await std::move(filling);
  auto finding = store_.find(context, request.domain, named(request));
  auto const person = co_await std::move(finding);
  if (request.dry_run) {
    auto counting = count(context, request, person);
    co_await std::move(counting);
    co_return;
  }
  auto beginning = begin(context, request, person);
  if (!co_await std::move(beginning)) co_return;
  OMNIBUS_FAILPOINT("gdpr.begun");
  auto widening = widen(context, request);
  auto const keys = co_await std::move(widening);
  OMNIBUS_FAILPOINT("gdpr.widened");
  auto erasing = erase_rows(context, request, keys);
  co_await std::move(erasing);
  OMNIBUS_FAILPOINT("gdpr.rows");
  auto emptying = empty_outbox(context, request, keys);
  co_await std::move(emptying);
  OMNIBUS_FAILPOINT("gdpr.outbox");
  auto dropping = drop_letters(context, request, keys);
  co_await std::move(dropping);
  OMNIBUS_FAILPOINT("gdpr.letters");
  auto finishing = finish(context, request);
  co_await std::move(finishing);
}

Task<> Erasure::in_batches(Context& context, GdprDeletionRequested const& request, std::string name,
                           std::function<std::int64_t(UnitOfWork&)> change) {
  for (std::int64_t changed = erasure_batch; changed >= erasure_batch;) {
    auto step = context.checkpoint(batch_name(name), [&](UnitOfWork& unit) {
      changed = change(unit);
      if (changed > 0) requests_.count(unit, request.request_id, {{table_of(name), changed}});
    });
    co_await std::move(step);
    auto resting = ErasurePace::rest();
    co_await std::move(resting);
  }
}

Task<> Erasure::note(Context& context, GdprDeletionRequested const& request, std::string action,
                     std::vector<GdprCount> counts) {
  auto noting = context.checkpoint(
      action, [&](UnitOfWork& unit) { audit_.record(unit, audit_of(request, "erasure." + action, "done", counts)); });
  co_await std::move(noting);
}

Task<> Erasure::fill_keys(Context& context, GdprDeletionRequested const& request) {
  for (std::int64_t filled = erasure_batch; filled >= erasure_batch;) {
    auto step = context.checkpoint(batch_name("fill"),
                                   [&](UnitOfWork& unit) { filled = store_.fill_keys(unit, request.domain); });
    co_await std::move(step);
  }
}

Task<> Erasure::count(Context& context, GdprDeletionRequested const& request, ErasedPerson const& person) {
  auto committing = context.commit([&](UnitOfWork& unit) {
    auto counts = person.found;
    counts.push_back({"identities", static_cast<std::int64_t>(person.keys.size())});
    requests_.count(unit, request.request_id, counts);
    requests_.complete(unit, request.request_id, std::nullopt);
    audit_.record(unit, audit_of(request, "erasure.counted", "done", counts));
  });
  co_await std::move(committing);
}

Task<bool> Erasure::begin(Context& context, GdprDeletionRequested const& request, ErasedPerson const& person) {
  std::optional<std::string> held;
  auto beginning = context.checkpoint("begin", [&](UnitOfWork& unit) {
    held = store_.hold_until(unit, request.domain, person.concerned());
    if (held) {
      requests_.hold(unit, request.request_id, *held, person.concerned());
      audit_.record(unit, audit_of(request, "erasure.held", "held"));
      return;
    }
    requests_.begin(unit, request.request_id);
    store_.begin(unit, request.request_id, request.domain, person.keys, {});
    store_.suppress(unit, request.domain, person.opt_outs);
    audit_.record(unit, audit_of(request, "erasure.begun", "started", person.found));
  });
  auto const first = co_await std::move(beginning);
  if (!first) {  // done by an attempt that did not live to go on
    auto looking = requests_.look(context, request);
    auto const state = co_await std::move(looking);
    if (state.status == "held") held = "";
  }
  if (!held) co_return true;
  auto ending = context.commit([](UnitOfWork&) {});
  co_await std::move(ending);
  co_return false;
}

Task<ErasureStore::Keys> Erasure::widen(Context& context, GdprDeletionRequested const& request) {
  auto reading = store_.begun(context, request.request_id);
  auto known = co_await std::move(reading);
  auto const asked = named(request);
  known.insert(asked.begin(), asked.end());
  // A chat's first message may have made its conversation while the first look was taken.
  auto filling = fill_keys(context, request);
  co_await std::move(filling);
  auto finding = store_.find(context, request.domain, known);
  auto const person = co_await std::move(finding);
  std::vector<std::string> const lasting{person.for_good.begin(), person.for_good.end()};
  auto suppressing = context.checkpoint(batch_name("widen"), [&](UnitOfWork& unit) {
    store_.begin(unit, request.request_id, request.domain, person.keys, {});
    store_.suppress(unit, request.domain, person.opt_outs);
  });
  co_await std::move(suppressing);
  for (std::size_t at = 0; at < lasting.size(); at += keys_at_once) {
    auto const part = std::span{lasting}.subspan(at, std::min(keys_at_once, lasting.size() - at));
    auto adding = context.checkpoint(batch_name("widen"), [&](UnitOfWork& unit) {
      store_.begin(unit, request.request_id, request.domain, {}, Keys{part.begin(), part.end()});
    });
    co_await std::move(adding);
  }
  auto keys = person.all();
  keys.merge(known);
  for (std::int64_t begun = 1; begun > 0;) {
    auto adding = context.checkpoint(batch_name("messages"), [&](UnitOfWork& unit) {
      begun = store_.begin_messages(unit, request.request_id, request.domain, keys);
    });
    co_await std::move(adding);
  }
  auto noting = note(context, request, "identities", {{"identities", static_cast<std::int64_t>(keys.size())}});
  co_await std::move(noting);
  co_return keys;
}

Task<> Erasure::erase_rows(Context& context, GdprDeletionRequested const& request, Keys const& keys) {
  for (auto const& each : store_.steps()) {
    auto erasing = in_batches(context, request, each, [this, &request, &keys, each](UnitOfWork& unit) {
      return store_.erase(unit, each, request.domain, keys);
    });
    co_await std::move(erasing);
    OMNIBUS_FAILPOINT("gdpr.table");
  }
  auto removing = context.checkpoint("archives", [&](UnitOfWork& unit) {
    if (auto const removed = store_.remove_archives(unit, request.domain, keys, context.time_ms()); removed > 0)
      requests_.count(unit, request.request_id, {{"gdpr_archives", removed}});
  });
  co_await std::move(removing);
  auto detaching = detach_telemetry(context, request, keys);
  co_await std::move(detaching);
  auto noting = note(context, request, "rows");
  co_await std::move(noting);
}

Task<> Erasure::detach_telemetry(Context& context, GdprDeletionRequested const& request, Keys const& keys) {
  auto reading = store_.telemetry_days(context);
  auto const days = co_await std::move(reading);
  for (auto const& day : days) {
    auto detaching = context.checkpoint(batch_name("telemetry"), [&](UnitOfWork& unit) {
      if (auto const changed = store_.detach_telemetry(unit, day, keys); changed > 0)
        requests_.count(unit, request.request_id, {{"chat_telemetry", changed}});
    });
    co_await std::move(detaching);
  }
}

Task<> Erasure::empty_outbox(Context& context, GdprDeletionRequested const& request, Keys const& keys) {
  auto finding = store_.find_outbox(context, keys);
  auto const found = co_await std::move(finding);
  // What a worker is publishing right now must stand before the positions that end the erasure.
  if (found.being_published)
    throw Failure::deferred("records about the person are being published", publishing_check, publishing_check);
  auto removing = context.checkpoint(batch_name("outbox"), [&](UnitOfWork& unit) {
    if (found.ids.empty()) return;
    store_.remove_outbox(unit, found.ids);
    requests_.count(unit, request.request_id, {{"pipeline.outbox", static_cast<std::int64_t>(found.ids.size())}});
  });
  co_await std::move(removing);
  auto noting = note(context, request, "outbox");
  co_await std::move(noting);
}

Task<> Erasure::drop_letters(Context& context, GdprDeletionRequested const& request, Keys const& keys) {
  auto reading = log_.letters(keys);
  auto const letters = co_await std::move(reading);
  constexpr auto batch = static_cast<std::size_t>(erasure_batch);
  for (std::size_t at = 0; at < letters.size() && !OMNIBUS_MUTATED("dropped_letters"); at += batch) {
    std::vector<PersonLetter> const part(
        letters.begin() + static_cast<std::ptrdiff_t>(at),
        letters.begin() + static_cast<std::ptrdiff_t>(std::min(at + batch, letters.size())));
    auto dropping = context.checkpoint(batch_name("letters"), [&](UnitOfWork& unit) {
      if (auto const dropped = store_.drop_letters(unit, part); dropped > 0)
        requests_.count(unit, request.request_id, {{"dead_letters", dropped}});
    });
    co_await std::move(dropping);
  }
  auto noting = note(context, request, "letters");
  co_await std::move(noting);
}

Task<> Erasure::finish(Context& context, GdprDeletionRequested const& request) {
  auto asking = store_.log_is_clear(context, request.domain);
  auto const is_clear = co_await std::move(asking);
  auto reading = log_.ends();
  auto const ends = co_await std::move(reading);
  auto committing = context.commit([&](UnitOfWork& unit) {
    store_.set_positions(unit, request.request_id, ends.positions);
    requests_.complete(unit, request.request_id, is_clear ? std::optional{ends.clear_at_ms} : std::nullopt);
    audit_.record(unit, audit_of(request, "erasure.completed", "done"));
  });
  co_await std::move(committing);
}

}  // namespace omnibus::gdpr
