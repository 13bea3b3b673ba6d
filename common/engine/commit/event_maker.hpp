/// The events that a handler publishes for one event.
#pragma once

#include "kafka/cloud_event.hpp"
#include "kafka/record.hpp"
#include "uuid/uuid.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace omnibus::engine {

/// Seals the data of an event that is about to be published, where its tenant wants that.
using SealEvent = std::function<void(Envelope& envelope, std::string& data, std::string_view key)>;

/// Creates the events that handling one event causes. Their ids depend on that event, the worker and the order of
/// creation, so that a second attempt creates the same ids.
class EventMaker {
 public:
  /// `series` separates events that are numbered independently, such as the parts of a stream. `parent` outlives it.
  /// Without `seal`, events stay as they are.
  EventMaker(Envelope const& parent, std::string_view worker, std::string_view series = {}, SealEvent seal = {})
      : parent_{parent},
        worker_{series.empty() ? worker : std::string{worker} + '/' + std::string{series}},
        seal_{std::move(seal)} {}

  /// @throws Failure (permanent) when no topic carries this type, or when the record exceeds its topic's limit;
  /// what sealing throws.
  kafka::Record make(std::string_view type, std::string_view data, std::string key);
  /// The key that consumers' inboxes will have for the event created last.
  Uuid last_key() const;
  /// Sets the number of the next event.
  void number(int ordinal) { ordinal_ = ordinal; }

 private:
  Envelope const& parent_;
  std::string worker_;
  SealEvent seal_;
  int ordinal_ = 0;
};

}  // namespace omnibus::engine
