/// The events that a handler publishes for one event.
#pragma once

#include "kafka/cloud_event.hpp"
#include "kafka/record.hpp"
#include "uuid/uuid.hpp"

#include <string>
#include <string_view>

namespace omnibus::engine {

/// Creates the events that handling one event causes. Their ids depend on that event, the worker and the order of
/// creation, so that a second attempt creates the same ids.
class EventMaker {
 public:
  /// `series` separates events that are numbered independently, such as the parts of a stream. `parent` outlives it.
  EventMaker(Envelope const& parent, std::string_view worker, std::string_view series = {})
      : parent_{parent}, worker_{series.empty() ? worker : std::string{worker} + '/' + std::string{series}} {}

  /// @throws Failure (permanent) when no topic carries this type, or when the record exceeds its topic's limit.
  kafka::Record make(std::string_view type, std::string_view data, std::string key);
  /// The key that consumers' inboxes will have for the event created last.
  Uuid last_key() const;
  /// Sets the number of the next event.
  void number(int ordinal) { ordinal_ = ordinal; }

 private:
  Envelope const& parent_;
  std::string worker_;
  int ordinal_ = 0;
};

}  // namespace omnibus::engine
