#include "handler/fake_context.hpp"

#include "handler/classify.hpp"
#include "kafka/topics.hpp"
#include "time/time.hpp"

#include <algorithm>
#include <iterator>
#include <string>

#include <boost/asio/co_spawn.hpp>

namespace omnibus {

/// A unit of work without a database: collects the publications.
class FakeContext::Unit final : public UnitOfWork {
 public:
  Unit(Uuid const& parent, std::string name) : parent_{parent}, name_{std::move(name)} {}

  pqxx::transaction_base& transaction() override {
    throw std::logic_error{"FakeContext has no database: put SQL behind the worker's store"};
  }
  Uuid last_key() const override { return name_uuid(parent_, name_ + std::to_string(records.size())); }

  std::vector<Record> records;

 private:
  void publish_event(std::string_view type, std::string data, std::string key) override {
    if (kafka::TopicCatalog::built_in().topic_of(type) == nullptr)
      throw Failure::permanent("no topic in topics.yaml carries " + std::string{type}, "no_topic");
    records.push_back({std::string{type}, std::move(data), std::move(key)});
  }
  postgres::Gathered& gathered() override {
    throw std::logic_error{"FakeContext has no database: put SQL behind the worker's store"};
  }

  Uuid parent_;
  std::string name_;
};

FakeContext::FakeContext(std::string worker, std::uint32_t max_attempts)
    : worker_{std::move(worker)}, max_attempts_{max_attempts} {}

FakeContext::~FakeContext() = default;

void FakeContext::receive(std::string_view type, std::string data) {
  envelope_ = originate("/test", type);
  envelope_.time = format_time_ms(time_ms_);
  view_ = view_of(envelope_);
  event_key_ = omnibus::event_key(view_);
  data_ = std::move(data);
  decoded_ = false;
  attempts_ = 0;
  deferred_ = false;
  begun_ = now_;
  failed_.reset();
  parked_.reset();
  passed_over_.clear();
}

FakeContext::Result FakeContext::attempt_now() {
  std::exception_ptr failed;
  auto ended = false;
  loop_.restart();
  boost::asio::co_spawn(loop_, attempt_at_it_(), [&](std::exception_ptr error) {
    failed = std::move(error);
    ended = true;
  });
  loop_.run();
  if (!ended) throw std::logic_error{"the handler waits for something that never comes"};
  if (!failed) return {};
  try {
    std::rethrow_exception(failed);
  } catch (std::logic_error const&) {  // the test's own mistake must not look like a parked event
    throw;
  } catch (...) {
    return settle(failed);
  }
}

FakeContext::Result FakeContext::come_again() {
  attempts_ = 0;
  deferred_ = false;
  begun_ = now_;
  failed_.reset();
  parked_.reset();
  return attempt_now();
}

FakeContext::Result FakeContext::redrive() {
  inbox_.erase(event_key_);
  return come_again();
}

FakeContext::Result FakeContext::try_again(std::chrono::milliseconds later) {
  now_ += later;
  return attempt_now();
}

FakeContext::Result FakeContext::try_until_over(std::chrono::milliseconds every) {
  constexpr int most = 100'000;
  for (int i = 0; i < most; ++i) {
    auto result = try_again(every);
    if (result == Kind::handled || result == Kind::parked || result == Kind::fenced) return result;
  }
  throw std::logic_error{"the event is never over"};
}

FakeContext::Result FakeContext::settle(std::exception_ptr const& error) {
  auto const failure = classify(error);
  if (!failure) return {Kind::fenced};
  if (!failed_) failed_ = now_;
  deferred_ = failure->kind() == Failure::Kind::deferred;
  Result result{Kind::outage, failure->what(), failure->error_class(), failure->retry_after(), failure->at_most()};
  switch (failure->kind()) {
    case Failure::Kind::outage:
      return result;
    case Failure::Kind::deferred:
      result.kind = Kind::deferred;
      return result;
    case Failure::Kind::transient:
      result.kind = Kind::waits;
      if (++attempts_ < max_attempts_) return result;
      break;
    case Failure::Kind::permanent:
      ++attempts_;
      break;
  }
  if (!replaying_) return park(*failure);
  result.kind = Kind::failed;
  return result;
}

FakeContext::Result FakeContext::park(Failure const& failure) {
  try {
    write(event_key_, "gave_up", [&](UnitOfWork& unit) {
      if (hook_ && decoded_) hook_(failure, unit);
    });
  } catch (std::logic_error const&) {  // the test's own mistake
    throw;
  } catch (...) {
    auto const refusal = classify(std::current_exception());
    if (!refusal) return {Kind::fenced};
    if (refusal->kind() != Failure::Kind::permanent)
      return {refusal->kind() == Failure::Kind::outage ? Kind::outage : Kind::waits, refusal->what(),
              refusal->error_class(), refusal->retry_after(), refusal->at_most()};
    write(event_key_, "gave_up", [](UnitOfWork&) {});  // parked without what the handler adds, as the engine does
  }
  parked_ = failure;
  return {Kind::parked, failure.what(), failure.error_class(), {}, {}};
}

bool FakeContext::write(Uuid const& id, std::string const& series, std::function<void(UnitOfWork&)> const& work,
                        std::exception_ptr failed) {
  return write(
      id, series, {}, [&](UnitOfWork& unit, UnitOfWork&) { work(unit); }, std::move(failed));
}

bool FakeContext::write(Uuid const& id, std::string const& series, std::string const& step,
                        std::function<void(UnitOfWork&, UnitOfWork&)> const& work, std::exception_ptr failed) {
  if (inbox_.contains(id)) return false;
  std::vector<std::function<void()>> undo;
  for (auto const& snapshot : snapshots_) undo.push_back(snapshot());
  Unit unit{event_key_, worker_ + '/' + series + '/'};
  Unit of_step{event_key_, worker_ + '/' + step + '/'};
  try {
    work(unit, step.empty() ? unit : of_step);
    if (failed) std::rethrow_exception(failed);
  } catch (...) {
    for (auto const& each : undo) each();
    throw;
  }
  inbox_.insert(id);
  ++commits_;
  if (replaying_) return true;
  std::ranges::move(of_step.records, std::back_inserter(published_));
  std::ranges::move(unit.records, std::back_inserter(published_));
  return true;
}

Task<bool> FakeContext::commit_unit(std::function<void(UnitOfWork&)> work) {
  co_return write(event_key_, {}, work, std::exchange(next_commit_, nullptr));
}

Task<bool> FakeContext::commit_step(std::string step, std::function<void(UnitOfWork&)> work) {
  co_return write(name_uuid(event_key_, step), step, work, std::exchange(next_checkpoint_, nullptr));
}

Task<bool> FakeContext::keep_step(std::string step, std::function<void(UnitOfWork&)> work) {
  auto const id = name_uuid(event_key_, step);
  try {
    co_return write(id, step, work, std::exchange(next_checkpoint_, nullptr));
  } catch (Fenced const&) {
    write(id, step, work);
    throw;
  }
}

Task<bool> FakeContext::commit_unit_with_step(std::string step, std::function<void(UnitOfWork&)> alone,
                                              std::function<void(UnitOfWork&, UnitOfWork&)> together) {
  std::exception_ptr failed;
  try {
    auto const both = [&](UnitOfWork& unit, UnitOfWork& first) { together(first, unit); };
    co_return write(event_key_, {}, step, both, std::exchange(next_commit_, nullptr));
  } catch (std::logic_error const&) {  // the test's own mistake
    throw;
  } catch (...) {
    failed = std::current_exception();
  }
  auto keeping = keep_step(std::move(step), std::move(alone));
  co_await std::move(keeping);
  std::rethrow_exception(failed);
}

postgres::GatheredReads& FakeContext::reads() {
  throw std::logic_error{"FakeContext has no database: put SQL behind the worker's store"};
}

postgres::TransactionPool& FakeContext::pool() {
  throw std::logic_error{"FakeContext has no database: put SQL behind the worker's store"};
}

void FakeContext::publish_event_now(std::string_view type, std::string data, std::string key, std::string_view, int) {
  if (!replaying_) published_now_.push_back({std::string{type}, std::move(data), std::move(key)});
}

std::vector<std::string> FakeContext::published_types() const {
  std::vector<std::string> types;
  for (auto const& record : published_) types.push_back(record.type);
  return types;
}

std::string_view FakeContext::topic() const {
  auto const* const topic = kafka::TopicCatalog::built_in().topic_of(view_.type);
  return topic == nullptr ? std::string_view{} : std::string_view{topic->name};
}

}  // namespace omnibus
