#include "engine/attempt.hpp"

#include "engine/commit/dead_letter.hpp"
#include "engine/commit/event_maker.hpp"
#include "engine/commit/handler_unit.hpp"
#include "engine/engine.hpp"
#include "faults/failpoint.hpp"
#include "handler/classify.hpp"
#include "kafka/topics.hpp"
#include "observability/trace_context.hpp"
#include "postgres/errors.hpp"
#include "postgres/inbox.hpp"
#include "postgres/parked_records.hpp"
#include "postgres/pool.hpp"
#include "subjects/subjects.hpp"
#include "time/time.hpp"

#include <algorithm>
#include <vector>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <pqxx/except>

namespace omnibus::engine {
namespace {

// Names of records that are no events, and of the steps of an event's handling.
constexpr Uuid record_space{
    {0x6f, 0x6d, 0x6e, 0x69, 0x62, 0x75, 0x50, 0x00, 0x80, 0x00, 0x72, 0x65, 0x63, 0x6f, 0x72, 0x64}};
constexpr std::size_t most_waiting_parts = 10'000;  // a tenth of the producer's queue
constexpr std::chrono::milliseconds in_doubt_delay{50};
constexpr std::chrono::milliseconds erasure_delay{500};
constexpr std::chrono::milliseconds longest_in_doubt_delay{1000};

/// Whether a commit in doubt stays in doubt: asking again was lost as well, or the database cannot be asked.
bool tells_nothing(std::exception_ptr const& failed) {
  try {
    std::rethrow_exception(failed);
  } catch (postgres::PoolUnavailable const&) {
    return true;
  } catch (std::exception const& error) {
    auto const kind = classify_database_error(error);
    return kind == DatabaseError::in_doubt || kind == DatabaseError::outage;
  } catch (...) {
    return false;
  }
}

/// In bytes.
std::int64_t limit_of(std::string const& topic) {
  auto const* const known = kafka::TopicCatalog::built_in().find(topic);
  return known != nullptr ? known->max_message_bytes() : kafka::TopicSpec{}.max_message_bytes();
}

/// Makes the database roll back the admission of an event that was only asked about.
struct NotRefused {};

}  // namespace

Attempt::Attempt(Engine& engine, Delivery& delivery, bool guarded)
    : engine_{engine}, delivery_{delivery}, guarded_{guarded} {}

void Attempt::parse() {
  if (view_) return;
  thread_local std::vector<HeaderView> headers;  // kept from event to event, so that reading them allocates nothing
  headers.clear();
  delivery_.record.for_each_header([&](std::string_view name, std::optional<std::string_view> value) {
    headers.push_back({name, value});
  });
  RecordView const record{delivery_.has_key() ? std::optional{delivery_.key()} : std::nullopt,
                          delivery_.has_value() ? std::optional{delivery_.value()} : std::nullopt, headers};
  auto const refuse = [](json::DecodeError const& error) {
    return Failure::permanent("not a CloudEvent: " + error.message(), "invalid_event");
  };
  if (is_structured(record)) {
    auto parsed = parse_cloud_event(record);
    if (!parsed) throw refuse(parsed.error());
    structured_ = std::make_unique<CloudEvent>(std::move(*parsed));
    view_ = view_of(structured_->envelope);
    data_ = structured_->data;
    return;
  }
  auto const parsed = parse_envelope(record);
  if (!parsed) throw refuse(parsed.error());
  view_ = *parsed;
  if (record.value) data_ = *record.value;
}

EnvelopeView const& Attempt::event() {
  parse();
  return *view_;
}

Envelope const& Attempt::envelope() {
  if (!envelope_) envelope_ = std::make_unique<Envelope>(structured_ ? structured_->envelope : to_envelope(event()));
  return *envelope_;
}

std::string_view Attempt::data() {
  parse();
  if (view_->sealed.empty() || opened_) return data_;
  auto const* const sealer = engine_.ports().sealer;
  if (sealer == nullptr) throw sealing::KeyUnavailable("the event is sealed, and this worker has no database for keys");
  opened_ = std::make_unique<sealing::OpenedEvent>(sealer->open(*view_, data_));
  data_ = opened_->data;
  return data_;
}

std::string Attempt::domain() {
  auto const whole = data();
  if (opened_ && !opened_->domain.empty()) return opened_->domain;
  return sealing::text_member(whole, "domain").value_or("");
}

SealEvent Attempt::sealing(pqxx::transaction_base* transaction) {
  auto* const sealer = engine_.ports().sealer;
  if (sealer == nullptr || sealer->is_idle() || replaying()) return {};
  return [this, sealer, transaction](Envelope& made, std::string& its_data, std::string_view its_key) {
    auto const plan = sealer->plan(made.type, its_data, its_key, domain());
    if (!plan) return;
    auto const cipher = transaction != nullptr ? sealer->take(*plan, *transaction) : sealer->at_hand(*plan);
    if (!cipher) {
      engine_.fetch_key(*plan);
      throw sealing::KeyUnavailable("the key is not in memory yet");
    }
    sealing::Sealer::seal(*plan, *cipher, made, its_data);
  };
}

Uuid const& Attempt::event_key() {
  if (!event_key_) event_key_ = omnibus::event_key(event());
  return *event_key_;
}

std::string_view Attempt::topic() const {
  return delivery_.partition->where.topic;
}

std::int64_t Attempt::timestamp_ms() const {
  return delivery_.record.timestamp_ms();
}

std::chrono::milliseconds Attempt::failing_for() const {
  if (delivery_.first_failed == Clock::time_point{}) return {};
  return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - delivery_.first_failed);
}

std::chrono::milliseconds Attempt::waiting_for() const {
  return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - delivery_.arrived);
}

std::string_view Attempt::worker() const {
  return engine_.identity().worker;
}

log::EventFields Attempt::log_fields() {
  if (!view_) return {.event_id = {}, .key_hash = delivery_.key_hash, .trace_id = {}};
  if (trace_id_.empty()) {
    if (auto const trace = TraceContext::parse(view_->traceparent)) trace_id_ = trace->trace_id_text();
  }
  return {.event_id = view_->id, .key_hash = delivery_.key_hash, .trace_id = trace_id_};
}

postgres::TransactionPool& Attempt::pool() {
  return engine_.pool();
}

postgres::GatheredReads& Attempt::reads() {
  return engine_.reads();
}

Task<postgres::CommitResult> Attempt::run(Uuid event_id, std::function<void(postgres::OpenUnit&)> work) {
  auto const& partition = *delivery_.partition;
  if (partition.lost && !owners_epoch_) throw Fenced{};
  auto const& identity = engine_.identity();
  std::vector<postgres::OutboxRow> attempted;
  postgres::Unit const unit{{identity.worker, identity.run_id, event_id, identity.claimed(partition.where.topic),
                             partition.where.partition, owners_epoch_.value_or(partition.epoch), about()},
                            std::move(work),
                            &attempted};
  auto& committer = engine_.committer();
  auto const& timings = engine_.ports().timings;
  auto begun = Clock::now();
  auto const observe = [&](LocalHistogram* into) {
    if (into != nullptr) into->observe(std::chrono::duration<double>{Clock::now() - begun}.count());
  };
  auto doubtful = false;
  for (auto delay = in_doubt_delay;; delay = std::min(2 * delay, longest_in_doubt_delay)) {
    begun = Clock::now();
    OMNIBUS_FAILPOINT("commit");
    std::exception_ptr failed;
    try {
      // An event that failed, or met a database outage, may delay others; a deferred event counts as new.
      auto const failed_before =
          delivery_.first_failed != Clock::time_point{} && (delivery_.deferrals == 0 || delivery_.outages > 0);
      auto const alone = failed_before || doubtful;
      auto committing = alone ? committer.commit_alone(unit) : committer.commit(unit, delivery_.tenant);
      auto result = co_await std::move(committing);
      observe(timings.committed);
      engine_.note_answer(delivery_);
      if (result.outcome == postgres::CommitOutcome::fenced) throw Fenced{};
      if (result.outcome == postgres::CommitOutcome::erased) throw Erased{};
      if (result.outcome == postgres::CommitOutcome::erasing)
        throw Failure::deferred("the erasure of whom it is about is running", erasure_delay);
      if (result.outcome == postgres::CommitOutcome::duplicate && doubtful) {
        // The commit in doubt had succeeded: these are the rows it left in the outbox.
        result = {postgres::CommitOutcome::committed, std::move(attempted)};
      }
      OMNIBUS_FAILPOINT("publish");
      engine_.publisher().publish(std::move(result.published));
      OMNIBUS_FAILPOINT("publishing");
      co_return result;
    } catch (Fenced const&) {
      throw;
    } catch (Erased const&) {
      throw;
    } catch (pqxx::in_doubt_error const&) {
      failed = std::current_exception();
      doubtful = true;
      observe(timings.in_doubt);
      if (OMNIBUS_MUTATED("in_doubt")) co_return postgres::CommitResult{postgres::CommitOutcome::committed, {}};
    } catch (...) {
      failed = std::current_exception();
      observe(timings.failed);
    }
    // In doubt it waits for the database here: only this process knows records that the commit may not have published,
    // and a later event of this key would overtake them. With a lost partition, its outbox rows go to the next owner.
    if (!doubtful || !tells_nothing(failed) || !still_wanted()) std::rethrow_exception(failed);
    boost::asio::steady_timer timer{co_await boost::asio::this_coro::executor, delay};
    auto wait = timer.async_wait(boost::asio::use_awaitable);
    co_await std::move(wait);
  }
}

void Attempt::is_about(Subjects subjects) {
  subjects_ = std::move(subjects);
  auto const before_end = delivery_.offset() < delivery_.partition->erased_before;
  if (!delivery_.unfiltered && engine_.erased().suspects(*subjects_, before_end)) throw Suspected{};
}

postgres::About Attempt::about() const {
  // What does not decode may be about whom its key stands for.
  postgres::About about{subjects_ ? *subjects_ : subjects_of_key(key()), {}, 0, 0};
  if (about.subjects.empty()) return about;
  kafka::Position from{delivery_.partition->where, delivery_.offset(), {}};
  delivery_.record.for_each_header([&](std::string_view name, std::optional<std::string_view> value) {
    if (name == origin_header && value) from = parse_origin(*value).value_or(std::move(from));
  });
  about.topic = std::move(from.where.topic);
  about.partition = from.where.partition;
  about.offset = from.offset;
  return about;
}

Task<bool> Attempt::refuse() {
  try {
    auto running = run(event_key(), [](postgres::OpenUnit&) { throw NotRefused{}; });
    co_await std::move(running);  // a duplicate
  } catch (NotRefused const&) {
    delivery_.unfiltered = true;
    co_return false;
  } catch (Erased const&) {
  }
  co_return true;
}

Task<> Attempt::skip() {
  try {
    auto running = run(event_key(), [](postgres::OpenUnit&) {});
    co_await std::move(running);
  } catch (Erased const&) {
  }
}

bool Attempt::replaying() const {
  return engine_.ports().replay != nullptr;
}

void Attempt::pass_over(std::string_view reason) {
  if (!replaying()) return;
  engine_.ports().replay->count(Replay::Outcome::skipped, reason);
  delivery_.not_handled = true;
}

void Attempt::work_in(std::size_t bytes) {
  engine_.work_in(delivery_, bytes);
}

void Attempt::step_aside() {
  engine_.step_aside(delivery_);
}

void Attempt::step_back() {
  engine_.step_back(delivery_);
}

bool Attempt::still_wanted() const {
  return delivery_.partition->wanted();
}

void Attempt::publish_event_now(std::string_view type, std::string data, std::string key, std::string_view series,
                                int ordinal) {
  if (replaying()) return engine_.ports().replay->count(Replay::Outcome::suppressed);
  // While the broker is away it is dropped: it would be late, and would take the room of what must be published.
  if (engine_.ports().producer.in_flight() >= most_waiting_parts) return;
  EventMaker events{envelope(), worker(), series, sealing(nullptr)};
  events.number(ordinal);
  try {
    engine_.ports().producer.produce(events.make(type, data, std::move(key)), {});
  } catch (sealing::KeyUnavailable const& error) {
    log::debug("not published", {{"type", type}, {"reason", error.what()}});
  } catch (kafka::Error const& error) {
    log::debug("not published", {{"type", type}, {"reason", error.what()}});
  }
}

Uuid Attempt::fallback_key() const {
  // If a topic is deleted and created again, the same position is another record's, hence the time and the content.
  auto const content = name_uuid(name_uuid(record_space, key()), value());
  return name_uuid(record_space, fmt::format("{}/{}/{}/{}/{}", topic(), delivery_.partition->where.partition,
                                             delivery_.offset(), timestamp_ms(), to_string(content)));
}

Task<> Attempt::dead_letter(Failure const& failure, std::function<void(UnitOfWork&)> also) {
  auto const waited =
      std::chrono::duration_cast<std::chrono::system_clock::duration>(Clock::now() - delivery_.first_failed);
  auto record = make_dead_letter(
      delivery_.record, delivery_.partition->where,
      {failure, delivery_.attempts, worker(), engine_.identity().group, std::chrono::system_clock::now() - waited});
  auto const whole = shorten(record, limit_of(record.topic));
  if (engine_.ports().pool == nullptr) {
    auto sending = engine_.ports().producer.send(record);
    co_await std::move(sending);
    co_return;
  }
  std::optional<HandlerUnit> mine;  // until the transaction ends
  auto const key = view_ ? event_key() : fallback_key();
  auto running = run(key, [&](postgres::OpenUnit& unit) {
    postgres::note_parked(unit.transaction(), worker(), engine_.identity().run_id, key, failure.error_class());
    unit.publish(record);
    if (whole) postgres::park_record(unit.transaction(), letter_id(record), *whole, about().keys());
    if (!also) return;
    // A separate series: when the letter is redriven and handled, its publications get other ids.
    mine.emplace(unit, EventMaker{envelope(), worker(), "gave_up", sealing(&unit.transaction())});
    also(*mine);
  });
  co_await std::move(running);
  delivery_.resolved = true;
}

}  // namespace omnibus::engine
