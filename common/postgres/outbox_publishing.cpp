#include "postgres/outbox_publishing.hpp"

#include "observability/log.hpp"
#include "observability/metrics.hpp"

#include <condition_variable>
#include <map>
#include <mutex>
#include <utility>

namespace omnibus::postgres {

struct RowPublisher::State {
  std::mutex mutex;
  std::condition_variable answered;
  AnsweredRows answers;
  std::map<std::string, std::size_t> unanswered;  ///< rows, by topic

  void begin(std::string const& topic) {
    std::scoped_lock const lock{mutex};
    ++unanswered[topic];
  }
  void end(std::string const& topic) {
    if (auto const found = unanswered.find(topic); --found->second == 0) unanswered.erase(found);
    if (unanswered.empty()) answered.notify_all();
  }
};

std::optional<RefusedRow> refused_row(OutboxRow const& row, kafka::Error const& error) {
  auto const refusal = kafka::refusal_of(error.code());
  if (refusal == kafka::RefusalCause::none) return std::nullopt;
  return RefusedRow{row.id, error.what(), refusal == kafka::RefusalCause::of_topic};
}

void tell_refused(std::span<RefusedRow const> rows) {
  if (rows.empty()) return;
  std::map<std::string_view, std::size_t> reasons;
  for (auto const& row : rows) ++reasons[row.reason];
  for (auto const& [reason, count] : reasons)
    log::error("outbox rows are refused: mend the cause, then omnibus dlq redrive --refused",
               {{"rows", count}, {"reason", reason}});
  Metrics::process().counter<Metric::outbox_refused>().add(static_cast<double>(rows.size()));
}

RowPublisher::RowPublisher(kafka::Producer& producer) : producer_{producer}, state_{std::make_shared<State>()} {}

bool RowPublisher::publish(std::span<OutboxRow const> rows, std::chrono::milliseconds patience) {
  auto const generation = producer_.generation();
  for (auto const& row : rows) {
    auto const& topic = row.record.topic;
    auto const answer = [state = state_, topic, id = row.id](kafka::Acknowledgement const& delivery) {
      std::scoped_lock const lock{state->mutex};
      if (delivery.error == nullptr)
        state->answers.acknowledged.push_back(id);
      else if (auto refused = refused_row({id, {}}, *delivery.error))
        state->answers.refused.push_back(*std::move(refused));
      else
        state->answers.failure = delivery.error->what();
      state->end(topic);
    };
    state_->begin(topic);
    try {
      producer_.produce(row.record, answer, generation);
    } catch (kafka::Error const& error) {
      std::scoped_lock const lock{state_->mutex};
      state_->end(topic);
      auto refused = refused_row(row, error);
      // What the client rejects for good is wrong with the record, whatever the code.
      if (!refused && !error.retriable()) refused = RefusedRow{row.id, error.what(), false};
      if (!refused) {
        state_->answers.failure = error.what();
        break;
      }
      state_->answers.refused.push_back(*std::move(refused));
    }
  }
  std::unique_lock lock{state_->mutex};
  return state_->answered.wait_for(lock, patience, [this] { return state_->unanswered.empty(); });
}

AnsweredRows RowPublisher::take_answers() {
  std::scoped_lock const lock{state_->mutex};
  return std::exchange(state_->answers, {});
}

std::vector<std::string> RowPublisher::busy_topics() const {
  std::scoped_lock const lock{state_->mutex};
  std::vector<std::string> topics;
  for (auto const& [topic, rows] : state_->unanswered) topics.push_back(topic);
  return topics;
}

}  // namespace omnibus::postgres
