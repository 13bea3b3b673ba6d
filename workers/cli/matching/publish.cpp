#include "json/encode.hpp"
#include "kafka/cloud_event.hpp"
#include "kafka/producer.hpp"
#include "workers/cli/matching/matching.hpp"

#include <mutex>
#include <stdexcept>

#include <fmt/format.h>

namespace omnibus::cli {
namespace {

constexpr std::string_view event_source = "/omnibus/cli";
constexpr std::size_t most_in_flight = 1'000;

struct PublishedEvents {
  std::vector<PublishedEvent> events;
};
BOOST_DESCRIBE_STRUCT(PublishedEvents, (), (events))

}  // namespace

struct EventPublisher::State {
  explicit State(ClusterOptions const& cluster) : timeout{cluster.timeout()}, producer{cluster.settings()} {}

  std::chrono::seconds timeout;
  std::mutex mutex;
  std::string failure;       // the first one
  kafka::Producer producer;  // last, so destroyed first: its callbacks use the others
};

EventPublisher::EventPublisher(ClusterOptions const& cluster) : state_{std::make_unique<State>(cluster)} {}
EventPublisher::~EventPublisher() = default;

PublishedEvent EventPublisher::publish(matches::PlannedEvent const& planned, std::optional<std::string> id) {
  auto const* const topic = kafka::TopicCatalog::built_in().topic_of(planned.type);
  if (topic == nullptr) throw std::logic_error(fmt::format("no topic carries {}", planned.type));
  auto envelope = originate(event_source, planned.type);
  if (id) envelope.id = *std::move(id);
  auto* const state = state_.get();
  state->producer.produce(to_binary_record(envelope, planned.data, topic->name, planned.key),
                          [state](kafka::Acknowledgement const& delivery) {
                            if (delivery.error == nullptr) return;
                            std::scoped_lock const lock{state->mutex};
                            if (state->failure.empty()) state->failure = delivery.error->what();
                          });
  if (state->producer.in_flight() >= most_in_flight) finish();
  return {envelope.id, envelope.type, planned.key};
}

void EventPublisher::finish() {
  auto const acknowledged = state_->producer.flush(state_->timeout);
  std::scoped_lock const lock{state_->mutex};
  if (acknowledged && state_->failure.empty()) return;
  throw std::runtime_error(fmt::format("not every event was acknowledged: {}; check KAFKA_BROKERS or --brokers",
                                       state_->failure.empty() ? "no answer in time" : state_->failure));
}

void publish_and_print(MatchingOptions const& options, std::vector<matches::PlannedEvent> const& planned,
                       std::string_view done) {
  PublishedEvents published;
  EventPublisher publisher{options.cluster};
  for (auto const& each : planned) published.events.push_back(publisher.publish(each));
  publisher.finish();
  if (options.json) return fmt::print("{}\n", json::encode(published));
  for (auto const& each : published.events) fmt::print("{} {}\n", each.event_id, each.type);
  fmt::print("{}\n", done);
}

}  // namespace omnibus::cli
